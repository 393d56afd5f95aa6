"""Pools of workers as the backend file describes them, a file for each kind.

A kind of cluster is one class derived from `workflow.settings.pools.base.ClusterPool`: its fields,
what they mean to Parsl's provider of that kind, and the commands of its scheduler. Nothing here
imports Parsl: `workflow/work/pools/` does. Other packages add kinds of clusters through the
entry-point group "rung.pools".
"""

from typing import Annotated, TypeAlias

from chemistry.plugin_fields import ByKind
from chemistry.registry import Registry
from workflow.settings.pools.base import ClusterPool, TaskPool

POOLS: Registry[type[TaskPool]] = Registry(
    "kind of pool",
    group="rung.pools",
    ours={
        "local": "workflow.settings.pools.local:LocalPool",
        "slurm": "workflow.settings.pools.slurm:SlurmPool",
        "pbs": "workflow.settings.pools.pbs:PbsPool",
        "lsf": "workflow.settings.pools.lsf:LsfPool",
        "sge": "workflow.settings.pools.sge:SgePool",
        "htcondor": "workflow.settings.pools.htcondor:HTCondorPool",
        "kubernetes": "workflow.settings.pools.kubernetes:KubernetesPool",
        "python": "workflow.settings.pools.python:PythonPool",
    },
)
"""Every kind of pool by its name."""

Pool: TypeAlias = Annotated[TaskPool, ByKind(registry=POOLS, base=ClusterPool)]
"""Any pool, as a backend file has it: `kind` says which."""
