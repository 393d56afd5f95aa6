"""The store: one SQLite file that holds everything a campaign knows."""
