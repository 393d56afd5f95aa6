"""The Psi4 engine: program.py finds and calls it, engine.py says what to compute."""
