"""What a level means to PySCF: functionals, bases, and their description."""
