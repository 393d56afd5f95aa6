"""What a potential is for: relaxation, vibrations, torsion profiles and dynamics of a molecule."""
