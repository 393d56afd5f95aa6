"""A section of the report: how large the molecules are."""

from workflow.report.page.section import Section, Table


def sizes(report):
    rows = tuple((m.name, str(len(m.geometries))) for m, _ in report.molecules)
    table = Table(label="Sizes", caption="Of <all> molecules", head=("molecule", "n"), rows=rows)
    return Section(heading="How large molecules are", tables=(table,))
