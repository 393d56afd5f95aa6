"""Labels in and out: exports, imports, labels of files, comparisons with data."""
