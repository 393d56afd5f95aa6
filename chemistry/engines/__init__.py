"""Programs that compute labels."""
