"""What to do next: pure functions of what a run knows."""
