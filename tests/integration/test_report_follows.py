"""`rung report --follow`: the page is there at once, and says in the end that the run is over."""

from workflow.campaign import Campaign
from workflow.report import follow_run
from workflow.run_folder import open_run
from workflow.store import Store

CAMPAIGN = Campaign.model_validate(
    {"name": "followed", "molecules": ["O"], "rungs": [{"level": "hf/sto-3g"}]}
)


def test_a_report_is_written_while_a_campaign_runs_and_when_it_has_ended(tmp_path):
    folder = open_run(CAMPAIGN, tmp_path / "run")
    with Store.create(folder.store, CAMPAIGN.model_dump_json()) as store:
        launch = store.begin_launch(2)
        written = follow_run(folder)
        assert next(written) == folder.report
        assert "not finished" in folder.report.read_text(encoding="utf-8")
        store.set_meta("finished", "label budget spent (200)")
        store.end_launch(launch)
        assert next(written) == folder.report
        assert "label budget spent (200)" in folder.report.read_text(encoding="utf-8")
        assert list(written) == []
    assert [path.name for path in folder.path.glob("*report*")] == ["report.html"]
    assert not list(folder.path.glob("*.part"))
