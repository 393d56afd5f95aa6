"""Clusters: dimers and the like that a campaign makes of the molecules that it was given."""

from typing import Literal

from pydantic import Field

from chemistry.sampling.clusters import Contact
from workflow.settings.yaml_file import StrictModel


class ClusterSettings(StrictModel):
    """Which molecules stand together, beside being molecules of their own."""

    count: int = Field(20, ge=1, description="Clusters at most; which ones is drawn by lot.")
    size: Literal[2, 3, 4] = Field(2, description="Molecules of a cluster, also of one kind.")
    of: tuple[str, ...] | None = Field(
        None,
        description="Names of the molecules that clusters are made of; default: all that are "
        "trained on.",
    )
    contact: Contact = (0.7, 1.5)
