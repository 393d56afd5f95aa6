"""Potentials as levels of theory: any ASE calculator, in a process of its own."""
