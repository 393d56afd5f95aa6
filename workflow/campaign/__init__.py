"""The loop of a campaign, and what starts it."""
