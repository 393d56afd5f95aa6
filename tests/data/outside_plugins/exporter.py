"""An export format: a line a label, its structure and its energy."""


class Energies:
    suffix = ".energies.txt"
    units = "eV"
    how_to_read = 'np.loadtxt("{path}", dtype=str)'

    def write(self, rows, path):
        with path.open("w") as file:
            return sum(file.write(self._line(row)) > 0 for row in rows)

    @staticmethod
    def _line(row):
        return f"{row.structure.structure_id} {row.label.energy!r}\n"


ENERGIES = Energies()
