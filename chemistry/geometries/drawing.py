"""Molecules as drawings of bonds, for people."""

from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

from chemistry.geometries.rdkit_bridge import to_rdkit
from chemistry.records.molecule import Molecule


def draw_svg(molecule: Molecule, *, width: int = 180, height: int = 130) -> str | None:
    """Return a structural formula as an <svg> element on a transparent ground.

    Lines and carbons are in the text's colour (currentColor). None for a molecule without bonds.
    """
    if molecule.mol_block is None:
        return None
    # Hydrogens that say nothing clutter the drawing; those of a lone hydrogen molecule stay.
    mol = Chem.RemoveHs(to_rdkit(molecule))
    rdDepictor.Compute2DCoords(mol)
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    options = drawer.drawOptions()
    options.clearBackground = False  # type: ignore[assignment]
    options.setAtomPalette({6: (0.0, 0.0, 0.0), -1: (0.0, 0.0, 0.0)})
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, mol)
    drawer.FinishDrawing()
    svg = drawer.GetDrawingText()
    return str(svg[svg.index("<svg") :].strip().replace("#000000", "currentColor"))
