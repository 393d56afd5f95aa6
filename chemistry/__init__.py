"""What a molecule is, and what quantum chemistry says of it."""
