"""The two files that a person writes, and the molecules that they name."""
