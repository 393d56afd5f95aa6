"""The formats that data sets are written in, a file each."""
