"""Ways to pick, from the waiting candidates, what is labelled next: `select.by` names one.

Other packages add selectors through the entry-point group "rung.selectors", whose entries name
functions that follow `workflow.planning.selectors.base.Selector`.
"""

from typing import TYPE_CHECKING

from chemistry.registry import Registry

if TYPE_CHECKING:  # whoever only reads a campaign file needs the names alone
    from workflow.planning.selectors.base import Selector

SELECTORS: "Registry[Selector]" = Registry(
    "selector",
    group="rung.selectors",
    ours={
        "uncertain_per_cost": "workflow.planning.selectors.uncertain_per_cost:uncertain_per_cost",
        "random": "workflow.planning.selectors.random:random",
    },
)
"""Every selector by its name."""
