"""Data set formats, one module each."""
