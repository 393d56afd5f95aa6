"""Correlation energies on a converged mean field."""
