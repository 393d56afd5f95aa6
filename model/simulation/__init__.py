"""A potential in the programs that people simulate with: one file a program, imported when used."""
