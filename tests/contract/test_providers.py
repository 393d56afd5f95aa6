"""What each kind of pool means to Parsl's provider of that kind, down to the submitted script.

Of the schedulers only the commands are fakes, which keep the script and answer with a job's id;
`tests/integration` has a real Slurm and a real Grid Engine. For PBS, LSF, HTCondor and Kubernetes
this is all that is tested.
"""

import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chemistry.errors import InputError
from workflow.settings.backend import Backend, read_backend
from workflow.work.pools.config import parsl_config

_COMMON = """\
    walltime: "1-02:00:00"
    jobs: 3
    cores_per_node: 8
    cores_per_task: 2
    memory_per_task_gb: 3
    gpus_per_node: 2
    worker_init: module load chemistry
"""
# Of two workers with a GPU each, of three GB each.
_OWN = {
    "slurm": "partition: gpu\n    qos: long\n    nodes_per_job: 2",
    "pbs": "queue: gpu\n    account: chem",
    "lsf": "queue: gpu\n    project: chem",
    "sge": "queue: gpu.q\n    parallel_environment: smp\n    memory_resource: h_vmem\n"
    "    gpu_resource: gpu",
    "htcondor": "project: chem\n    requirements: Arch == X86_64",
    "kubernetes": "image: registry/rung\n    volumes: {runs: /runs}",
}
_WANTED = {
    "slurm": [
        "--nodes=2", "--time=1560", "--partition=gpu", "--qos=long", "--gpus-per-node=2",
        "--mem=6g", "--cpus-per-task=8", "#SBATCH --mail=me", "srun",
    ],
    "pbs": [
        "-l walltime=26:00:00", "-l select=1:ncpus=8:mem=6gb:ngpus=2", "#PBS --mail=me",
    ],
    "lsf": [
        "-W 1560", "-P chem", "-q gpu", "-n 8", '-R "span[ptile=8]"', '-R "rusage[mem=6GB]"',
        "-gpu num=2", "#BSUB --mail=me",
    ],
    "sge": [
        "-l h_rt=26:00:00", "-pe smp 8", "-l h_vmem=750M", "-l gpu=2", "#$ --mail=me",
    ],
    "htcondor": [
        "RequestCpus = 8", "RequestMemory = 6144.0", "request_gpus = 2",
        "+projectname            = chem", "requirements            = Arch == X86_64",
        "allowed_job_duration = 93600", "\n--mail=me",
    ],
}  # fmt: skip
_FAKES = {
    "sbatch": ("slurm", "Submitted batch job 7", "$1"),
    "sacct": ("slurm", "", "/dev/null"),
    "qsub": ("pbs sge", "7", "${@: -1}"),
    "bsub": ("lsf", "Job <7> is submitted to queue <gpu>.", "/dev/stdin"),
    "condor_submit": ("htcondor", "1 job(s) submitted to cluster 7.", "$1"),
}


@pytest.fixture(autouse=True)
def fake_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, (_, answer, script) in _FAKES.items():
        command = folder / name
        command.write_text(
            f'#!/bin/bash\ncat "{script}" > {tmp_path}/submitted\n'
            f'echo "$@" > {tmp_path}/arguments\n'
            f'if [ -e {tmp_path}/refuse ]; then echo "{name}: no such queue" >&2; exit 1; fi\n'
            f'echo "{answer}"\n'
        )
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (tmp_path / "kube.yaml").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
        "clusters: [{name: k, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube.yaml"))
    # Read once at import, from the home folder of the person.
    config = pytest.importorskip("kubernetes").config.kube_config
    monkeypatch.setattr(config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kube.yaml"))


def _backend(tmp_path: Path, kind: str, more: str = "") -> Backend:
    options = "" if kind == "kubernetes" else '    scheduler_options: ["--mail=me"]\n'
    file = tmp_path / "backend.yaml"
    file.write_text(
        f"pools:\n  main:\n    kind: {kind}\n{_COMMON}{options}    {_OWN[kind]}\n{more}"
    )
    return read_backend(file)


def _executor(backend: Backend, tmp_path: Path) -> Any:
    (tmp_path / "logs").mkdir()
    [executor] = parsl_config(backend, tmp_path).executors
    return executor


@pytest.mark.parametrize("kind", _OWN)
def test_every_kind_of_cluster_has_its_provider(tmp_path: Path, kind: str) -> None:
    backend = _backend(tmp_path, kind)
    executor = _executor(backend, tmp_path)
    provider = executor.provider
    assert executor.encrypted
    assert executor.max_workers_per_node == 2
    assert executor.available_accelerators == ["0", "1"]
    assert executor.drain_period == 93600 - 12 * 3600 - 30  # a training takes twelve hours
    assert (provider.init_blocks, provider.min_blocks, provider.max_blocks) == (1, 0, 3)
    assert backend.slots == 2 * 3 * provider.nodes_per_block
    assert provider.worker_init.startswith("module load chemistry\n")
    assert "export OMP_NUM_THREADS=2" in provider.worker_init
    assert f"export PATH={Path(sys.executable).parent}" in provider.worker_init


@pytest.mark.parametrize("kind", _WANTED)
def test_the_submitted_script_asks_for_what_the_pool_says(tmp_path: Path, kind: str) -> None:
    provider = _executor(_backend(tmp_path, kind), tmp_path).provider
    provider.script_dir = str(tmp_path)
    job = provider.submit("start the workers", 1, "parsl.main.block-0")
    submitted = (tmp_path / "submitted").read_text()
    for wanted in _WANTED[kind]:
        assert wanted in submitted, wanted
    if kind == "htcondor":
        submitted = next(tmp_path.glob("*.script")).read_text()
    assert submitted.index("module load chemistry") < submitted.index("start the workers")
    if kind in ("pbs", "sge"):
        assert "-q gpu" in (tmp_path / "arguments").read_text()
    assert job == ("7.0" if kind == "htcondor" else "7")
    assert (tmp_path / "logs" / "jobs.txt").read_text() == f"{kind} {job}\n"


@pytest.mark.parametrize("kind", _WANTED)
def test_a_refused_job_is_told_in_the_schedulers_words(tmp_path: Path, kind: str) -> None:
    provider = _executor(_backend(tmp_path, kind), tmp_path).provider
    provider.script_dir = str(tmp_path)
    (tmp_path / "refuse").touch()
    with pytest.raises(Exception, match=r"\w+: no such queue"):
        provider.submit("start the workers", 1, "parsl.main.block-0")
    assert not (tmp_path / "logs" / "jobs.txt").exists()


def test_a_pod_ends_with_its_walltime_and_is_not_started_again(tmp_path: Path) -> None:
    provider = _executor(_backend(tmp_path, "kubernetes"), tmp_path).provider
    pods = []

    def create(namespace: str, body: Any) -> Any:  # a fake server
        pods.append((namespace, body))
        return SimpleNamespace(status="Pending")

    provider.kube_client.create_namespaced_pod = create
    provider.submit("start the workers", 1, "parsl.main.block-0")
    [(namespace, pod)] = pods
    [container] = pod.spec.containers
    assert namespace == "default"
    assert pod.spec.restart_policy == "Never"
    assert pod.spec.active_deadline_seconds == 93600
    assert container.image == "registry/rung"
    assert container.resources.limits == {"cpu": "8.0", "memory": "6000M", "nvidia.com/gpu": "2"}
    assert [(mount.name, mount.mount_path) for mount in container.volume_mounts] == [
        ("runs", "/runs")
    ]
    assert "module load chemistry" in container.args[1]


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("slurm", "clusters: other", None),
        ("slurm", "clutsers: other", "SlurmProvider has no such option: did you mean `clusters`?"),
        ("pbs", "gpus: 1", r"pools.main.provider_options.gpus: Parsl's PBSProProvider has no such"),
        ("lsf", "bsub_redirection: false", None),
        ("lsf", "max_blocks: 9", "provider_options.max_blocks: rung sets this itself"),
        ("htcondor", "environment: 3", "pools.main: Parsl does not take this"),
        ("kubernetes", "secret: pull", None),
    ],
)
def test_more_options_go_to_parsls_provider_if_it_knows_them(
    tmp_path: Path, kind: str, option: str, message: str | None
) -> None:
    backend = _backend(tmp_path, kind, f"    provider_options: {{{option}}}\n")
    if message is not None:
        with pytest.raises(InputError, match=re.escape(message)):
            _executor(backend, tmp_path)
        return
    name, value = option.split(": ")
    provider = _executor(backend, tmp_path).provider
    assert str(getattr(provider, name)).lower() == value


def test_an_address_of_another_machine_is_refused_at_once(tmp_path: Path) -> None:
    backend = _backend(tmp_path, "slurm", "    address: 192.0.2.1\n")
    with pytest.raises(InputError, match=r"192\.0\.2\.1 is not an address of this machine"):
        _executor(backend, tmp_path)


def test_without_the_scheduler_or_its_package_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(InputError, match=r"pip install rung\[kubernetes\]"):
        parsl_config(_backend(tmp_path, "kubernetes"), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="of kind lsf, but there is no bsub here"):
        parsl_config(_backend(tmp_path, "lsf"), tmp_path)


_SITE = """
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider
config = Config(executors=[HighThroughputExecutor(address="127.0.0.1", {more}
    provider=LocalProvider(worker_init="export SITE=here"))])
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (_SITE.format(more=""), None),
        (_SITE.format(more="encrypted=False,"), "the executor is not encrypted"),
        ("1 / 0", "cannot be run (ZeroDivisionError: division by zero)"),
        ("config = {}", "sets no `config` that is a parsl.Config"),
        ("from parsl.config import Config\nconfig = Config()", "one HighThroughputExecutor"),
    ],
)
def test_a_python_file_may_bring_an_executor(
    tmp_path: Path, code: str, message: str | None
) -> None:
    (tmp_path / "site.py").write_text(code)
    file = tmp_path / "backend.yaml"
    file.write_text("pools: {main: {kind: python, file: site.py, workers: 2}}")
    backend = read_backend(file)
    if message is not None:
        with pytest.raises(InputError, match=re.escape(message)):
            _executor(backend, tmp_path)
        return
    executor = _executor(backend, tmp_path)
    assert backend.slots == 2
    assert executor.label == "main"
    assert executor.encrypted
    assert "workflow.work.pools.supervision hold" in executor.launch_cmd
    assert executor.provider.worker_init.startswith("export SITE=here\n")
    assert "export OMP_NUM_THREADS=1" in executor.provider.worker_init


def test_a_pool_that_may_not_be_needed_has_no_job_until_it_is(tmp_path: Path) -> None:
    pool = "{kind: slurm, walltime: '9:00:00', cores_per_node: 1}"
    file = tmp_path / "backend.yaml"
    file.write_text(
        f"pools: {{main: {pool}, big: {pool}}}\n"
        "roles: {label: main, large_label: big, explore: main, train: main}\n"
        "limits: {explore_walltime: '1:00:00', train_walltime: '1:00:00'}\n"
    )
    (tmp_path / "logs").mkdir()
    executors = parsl_config(read_backend(file), tmp_path).executors
    assert {e.label: e.provider.init_blocks for e in executors} == {"main": 1, "big": 0}
    longest = {e.label: e.drain_period for e in executors}
    assert longest == {"main": 8 * 3600 - 30, "big": 5 * 3600 - 30}
