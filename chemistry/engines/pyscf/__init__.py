"""The PySCF engine: molecule.py builds, scf.py converges, engine.py labels."""

from chemistry.engines.pyscf.closed import import_closed

# Before any module here imports a part of PySCF.
import_closed()
