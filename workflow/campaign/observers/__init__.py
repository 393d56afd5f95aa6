"""Those who are shown how a launch goes: the terminal and the report."""
