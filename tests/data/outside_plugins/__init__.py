"""A package of somebody else's: one plug-in of each kind, as short as can be."""
