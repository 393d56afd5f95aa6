"""The files that molecules are read from, one kind each."""
