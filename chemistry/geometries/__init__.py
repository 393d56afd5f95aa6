"""Geometries of a molecule: checked, embedded, placed, bent, relaxed, drawn."""
