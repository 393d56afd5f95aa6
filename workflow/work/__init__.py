"""What workers do, from an order to its result."""
