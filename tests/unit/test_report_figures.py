"""Figures of the report: what they keep, what they draw by lot, what they say."""

import numpy as np

from chemistry.geometries.drawing import draw_svg
from chemistry.readers.molecules import molecule_from_smiles
from workflow.report.page.plot import shown_of, thinned
from workflow.report.page.sections.labels import failures_by_kind
from workflow.report.page.sections.work import busy_over_time, merged, timeline
from workflow.run.store.records import Unusable
from workflow.work.results import Cost


def cost(start: float, end: float, worker: str = "here:1") -> Cost:
    return Cost(worker=worker, started_at=start, finished_at=end, cpu_seconds=end - start)


def decoded(array: dict[str, str]):
    import base64

    return np.frombuffer(base64.b64decode(array["bdata"]), dtype=f"<{array['dtype']}")


def test_points_are_drawn_by_a_lot_that_stays_the_same_and_is_told():
    assert thinned(5, 10).tolist() == [0, 1, 2, 3, 4]
    drawn = thinned(50_000, 3000)
    assert len(np.unique(drawn)) == 3000
    assert drawn.max() > 40_000
    assert drawn.tolist() == thinned(50_000, 3000).tolist()
    assert shown_of(3000, 50_000, "labels") == "3,000 of 50,000 labels are shown, drawn by lot."


def test_neighbouring_spans_are_joined_and_distant_ones_are_not():
    assert merged([(2, 3), (0, 1), (1.05, 1.5)], 0.1) == [(0, 1.5), (2, 3)]
    assert merged([(0, 9), (1, 2)], 0.0) == [(0, 9)]


def test_the_timeline_of_many_tasks_is_no_larger_than_that_of_few():
    tasks = [("label", cost(i, i + 0.9)) for i in range(20_000)]
    figure = timeline(tasks)
    assert figure is not None
    assert sum(len(trace["x"]) for trace in figure.traces) <= 3 * 1001
    assert "20000 tasks" in figure.alt


def test_the_busy_share_counts_slots_and_leaves_out_the_time_between_launches():
    tasks = [("label", cost(0, 60)), ("label", cost(180, 240)), ("label", cost(180, 240, "b:2"))]
    figure = busy_over_time(tasks, [(0.0, 60.0, 2), (180.0, 240.0, 2)])
    assert figure is not None
    share = decoded(figure.traces[0]["y"])[:-1]
    quarter = len(share) // 4
    np.testing.assert_allclose(share[1 : quarter - 1], 50.0, atol=1e-3)
    np.testing.assert_allclose(share[quarter + 1 : 3 * quarter - 1], 0.0, atol=1e-3)
    np.testing.assert_allclose(share[3 * quarter + 1 :], 100.0, atol=1e-3)
    assert "75 %" in figure.alt


def test_failures_are_counted_by_kind_and_level():
    failed = [
        Unusable(
            structure_id="s",
            level_id="l",
            level_name="hf/sto-3g",
            molecule_name="water",
            kind=kind,
            message="m",
            attempts=(),
            tries=1,
        )
        for kind in ("resource", "convergence", "resource")
    ]
    figure = failures_by_kind(failed)
    assert figure is not None
    assert figure.traces[0]["y"] == ["convergence", "resource"]
    assert figure.traces[0]["x"] == [1, 2]
    assert failures_by_kind([]) is None


def test_a_molecule_is_drawn_in_the_colour_of_the_text():
    svg = draw_svg(molecule_from_smiles("CCO"))
    assert svg is not None
    assert svg.startswith("<svg")
    assert "currentColor" in svg
