"""The committee of neural potentials."""
