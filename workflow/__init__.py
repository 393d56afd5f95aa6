"""The campaign: what to explore, label and learn next, and where it runs."""
