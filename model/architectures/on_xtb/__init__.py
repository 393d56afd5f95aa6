"""Committees of ANI networks on top of GFN2-xTB, which is added whenever they are asked."""
