"""What flows between rooms: frozen records in eV, Å and fs, and their JSON."""
