"""The sections of the report, in the order of the page.

Other packages add sections, which come last, through the entry-point group "rung.report_sections",
whose entries name functions that follow `workflow.report.page.section.MakeSection`.
"""

from chemistry.registry import Registry
from workflow.report.page.section import MakeSection

_HERE = "workflow.report.page.sections"

SECTIONS: Registry[MakeSection] = Registry(
    "section of the report",
    group="rung.report_sections",
    ours={
        "asked": f"{_HERE}.asked:asked",
        "learning": f"{_HERE}.learning:learning",
        "disagreement": f"{_HERE}.learning:disagreement",
        "calibration": f"{_HERE}.accuracy:calibrations",
        "intervals": f"{_HERE}.intervals:intervals",
        "parity": f"{_HERE}.accuracy:parity",
        "climbing": f"{_HERE}.learning:climbing",
        "origins": f"{_HERE}.labels:origins",
        "failures": f"{_HERE}.labels:failures",
        "workers": f"{_HERE}.work:workers",
        "cost": f"{_HERE}.work:cost",
        "explorer": f"{_HERE}.explorer:explorer",
        "use": f"{_HERE}.use:use",
    },
)
"""Every section by its anchor on the page."""
