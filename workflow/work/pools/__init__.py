"""Where workers run: all that is Parsl's, and the processes around it."""
