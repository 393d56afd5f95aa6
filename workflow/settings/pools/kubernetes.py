"""The kind `kubernetes`."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from workflow.settings.pools.base import ClusterPool


class KubernetesPool(ClusterPool):
    """Workers in pods, whose image holds this Python and whose volumes hold the run folder."""

    directive = ""
    provider = "parsl.providers:KubernetesProvider"
    scheduler = None
    template_lines = (
        "image: registry.example/rung:1  # holds rung at the same path as here",
        "namespace: default",
        "volumes: {runs: /runs}  # a claim that holds the run folder: where it is mounted",
        "# service_account: …",
    )

    kind: Literal["kubernetes"] = "kubernetes"
    image: str = Field(description="With rung installed at the same path as here.")
    namespace: str = "default"
    volumes: dict[str, str] = Field(
        default={}, description="Persistent volume claim: the path where it is mounted."
    )
    service_account: str | None = None

    @model_validator(mode="after")
    def _has_no_script(self) -> Self:
        if self.scheduler_options:
            raise ValueError("scheduler_options has no meaning in Kubernetes: leave it out")
        return self

    @property
    def own_options(self) -> dict[str, Any]:
        """What these fields mean to parsl.providers.KubernetesProvider."""
        memory = f"{1000 * self.node_memory_gb}M"
        gpus = {"nvidia.com/gpu": str(self.gpus_per_node)} if self.gpus_per_node else {}
        return {
            "image": self.image,
            "namespace": self.namespace,
            "persistent_volumes": list(self.volumes.items()),
            "service_account_name": self.service_account,
            "init_cpu": float(self.cores_per_node),
            "max_cpu": float(self.cores_per_node),
            "init_mem": memory,
            "max_mem": memory,
            "extra_limits": gpus,
            "extra_requests": gpus,
        }
