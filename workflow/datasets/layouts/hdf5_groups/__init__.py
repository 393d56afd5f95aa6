"""Groups of HDF5 files, in the layouts that others publish."""
