"""Every exception that rung raises on purpose.

    RungError                 anything rung says in one sentence, without a traceback
    ├── InputError            a person gave something that cannot work: exit code 2
    │   ├── EngineNotInstalled    a program is missing; the message says how to install it
    │   ├── PluginNotLoaded       a plug-in is known by name, but cannot be imported
    │   └── RunInUse              another launch holds the run folder
    ├── StoreError            the run's store cannot be read or written
    ├── PoisonTask            a task lost its worker each time that it was tried
    ├── TooUncertain          a simulation met a structure that its potential has not learned
    ├── CampaignFailed        the campaign stopped without reaching its goal: exit code 1
    └── Interrupted           somebody stopped it; everything computed is kept: exit code 130

An expected failure of a calculation (an SCF that does not converge) is not an exception but a
value: `chemistry.records.label.LabelFailure`.
"""


class RungError(Exception):
    """Base class: its message is one sentence that says what is wrong and what to do."""


class InputError(RungError):
    """A file, a field or a structure that rung was given cannot be used."""


class EngineNotInstalled(InputError):
    """A quantum chemistry program is not on this machine."""


class PluginNotLoaded(InputError):
    """A plug-in is known by name, but its package, or what it needs, cannot be imported."""


class RunInUse(InputError):
    """Another process works on the same run folder."""


class StoreError(RungError):
    """The store of a run cannot be read or written (corrupt file, full disk)."""


class PoisonTask(RungError):
    """A task lost its worker each time that it was tried: it will not be tried again."""


class TooUncertain(RungError):
    """Members of a committee disagree by more than a simulation is allowed to."""


class CampaignFailed(RungError):
    """A campaign stopped without reaching its goal; everything computed is kept."""


class Interrupted(RungError):
    """Somebody stopped a campaign; everything computed is kept."""
