"""The machine files that `rung init --backend` writes, with what Slurm's sinfo says."""

import re
from pathlib import Path

import pytest
import typer

from chemistry.errors import InputError
from workflow.cli import app
from workflow.settings.backend import Backend, read_backend
from workflow.settings.pools import POOLS
from workflow.settings.pools.slurm import SlurmPool
from workflow.settings.templates import backend_text, write_templates
from workflow.settings.templates.partitions import Partition, read_partitions

_SINFO = """\
debug|30:00|4|7900|1
cpu*|2-00:00:00|64|257000+|10
cpu*|2-00:00:00|32+|128000|4
gpu|infinite|16|64000|2
"""


def _read(tmp_path: Path, text: str) -> Backend:
    file = tmp_path / "backend.yaml"
    file.write_text(text)
    return read_backend(file)


@pytest.mark.parametrize("kind", POOLS)
def test_every_kind_of_pool_has_a_valid_template(tmp_path: Path, kind: str) -> None:
    backend = _read(tmp_path, backend_text(kind, []))
    assert backend.pool("label").kind == kind
    assert backend.slots >= 1


def test_partitions_are_read_from_sinfo_the_default_first() -> None:
    cpu, debug, gpu = read_partitions(_SINFO)
    assert cpu == Partition(
        name="cpu", is_default=True, limit_hours=48, cores=32, memory_gb=125, nodes=14
    )
    assert (debug.limit_hours, debug.memory_gb, gpu.limit_hours) == (0.5, 7, None)
    assert str(cpu) == "cpu (default): at most 48 h, 14 nodes of 32 cores and 125 GB"


def test_the_found_partition_is_filled_in_and_the_others_are_named(tmp_path: Path) -> None:
    text = backend_text("slurm", read_partitions(_SINFO))
    pool = _read(tmp_path, text).pool("label")
    assert isinstance(pool, SlurmPool)
    assert (pool.partition, pool.walltime, pool.cores_per_node) == ("cpu", "24:00:00", 32)
    assert pool.node_memory_gb == 125
    assert pool.workers_per_node == 32
    assert "# sinfo names gpu: no limit, 2 nodes of 16 cores and 62 GB" in text


def test_tasks_fit_into_the_jobs_of_a_partition_with_a_short_limit(tmp_path: Path) -> None:
    pool = _read(tmp_path, backend_text("slurm", read_partitions("debug|30:00|4|3900|1"))).pool(
        "train"
    )
    assert isinstance(pool, SlurmPool)
    assert (pool.walltime, pool.workers_per_node, pool.node_memory_gb) == ("0:30:00", 4, 3)


def test_an_unknown_kind_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no backend `slrum`: did you mean `slurm`"):
        write_templates(tmp_path / "new", "slrum")
    assert not (tmp_path / "new").exists()


def test_the_help_of_init_names_every_kind() -> None:
    help_of_init = typer.main.get_command(app).commands["init"].params  # type: ignore[attr-defined]
    [said] = [p.help for p in help_of_init if p.name == "backend"]
    assert set(re.findall(r"\w+", said)) - {"or"} == set(POOLS.ours)
