"""The campaign of a run, as its store has it; no RDKit here, for a look at a run must be quick."""

import json

from pydantic import ValidationError

from chemistry.errors import StoreError
from workflow.run.resume import as_begun
from workflow.run.store.store import StoreReader
from workflow.settings.campaign import Campaign


def stored_campaign(store: StoreReader) -> Campaign:
    """Return the campaign of a run as it was last launched.

    Raises
    ------
    StoreError
        Another version of rung wrote it.
    """
    try:
        return Campaign.model_validate_json(store.diary.fact("campaign") or "")
    except ValidationError as error:
        raise StoreError(
            f"{store.path} holds a campaign that this rung cannot read: "
            f"use the version of rung in {store.path.parent / 'versions.json'}"
        ) from error


def as_launched(store: StoreReader, campaign: Campaign) -> Campaign:
    """Return the campaign of a new launch: what its file leaves open is as the run began."""
    was_given = store.diary.fact("campaign_given")
    if was_given is None:
        return campaign
    return as_begun(campaign, stored_campaign(store), json.loads(was_given))
