"""The PySCF engine: molecule.py builds, scf.py converges, engine.py labels."""
