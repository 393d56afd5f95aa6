"""What the store is given where a test does not care."""

from workflow.run.store.records import SampleDetail
from workflow.work.results import Cost

COST = Cost(worker="here:1", started_at=0.0, finished_at=1.0, cpu_seconds=1.0)
SAMPLED = SampleDetail(
    purpose="initial",
    rung=0,
    version=0,
    sweep=0,
    judged=0,
    over_threshold=0,
    rejected={},
    is_broken=False,
)
