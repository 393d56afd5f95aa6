"""Data sets written from a run: what is chosen, the formats, the data card."""
