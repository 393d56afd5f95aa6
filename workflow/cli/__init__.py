"""The rung command. Heavy imports stand inside the commands, so that `rung --help` is quick."""

import os
import sys
from typing import NoReturn

import typer

from chemistry.errors import CampaignFailed, InputError, RungError, StoreError
from workflow.cli import campaigns, data, potential

app = typer.Typer(
    help="From molecules to a neural potential: active learning on open quantum chemistry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help without boxes takes two fifths of the time: rich's Markdown is not loaded.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
for part in (campaigns.app, data.app, potential.app):
    app.add_typer(part)


def main() -> NoReturn:
    """Run the command line; every expected failure is one sentence and an exit code.

    0 done, 1 campaign failed, 2 bad input or an unusable file, 130 interrupted (state kept).
    """
    try:
        app(standalone_mode=True)
    except CampaignFailed as error:
        _fail(error, code=1)
    except (InputError, StoreError) as error:
        _fail(error, code=2)
    except RungError as error:
        _fail(error, code=130)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _fail(error: RungError, *, code: int) -> NoReturn:
    is_plain = code == 130 or bool(os.environ.get("NO_COLOR"))
    typer.secho(f"rung: {error}", err=True, fg=None if is_plain else "red")
    sys.exit(code)
