"""What PySCF reads in place of a person's configuration file: nothing."""
