"""From positions to the environment vectors of atoms and their derivatives."""
