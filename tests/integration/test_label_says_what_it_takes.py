"""`rung label` says charge and multiplicity of what it labels, and takes them from a person."""

from rung_command import rung

DIOXYGEN = "2\ncharge=0 spin=3\nO 0 0 0\nO 0 0 1.21\n"


def test_label_says_charge_and_multiplicity_and_asks_what_spin_means(tmp_path):
    (tmp_path / "o2.xyz").write_text(DIOXYGEN)
    label = ("label", "o2.xyz", "--level", "hf/sto-3g")
    done = rung(*label, folder=tmp_path)
    assert done.returncode == 2
    assert "--spin-means" in done.stderr
    done = rung(*label, "--spin-means", "2s+1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "molecule  O2: charge 0, multiplicity 3, geometry read (1)" in done.stdout
    # The lowest of the triplet: the solution of the symmetry of O2 lies 0.04 eV above it, the
    # singlet 2.3 eV.
    assert "-4017.3678" in done.stdout
    done = rung(*label, "--charge=-1", "--multiplicity=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "O2: charge -1, multiplicity 2" in done.stdout
