"""A run on disk: its folder, its lock, its store, and what is read from them."""
