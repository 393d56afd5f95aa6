"""From what people write (SMILES, SDF, XYZ) to molecules, recognised by their bonds."""
