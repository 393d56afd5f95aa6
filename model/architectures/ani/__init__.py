"""Committees of ANI networks: all members in one stacked computation."""
