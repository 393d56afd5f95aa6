"""Ways to make new geometries of a molecule."""
