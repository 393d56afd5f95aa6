"""Packages from outside: a module and its entry point, put where Python looks for packages."""

import shutil
import sys
import venv
from pathlib import Path


def put_package(folder: Path, module: Path, group: str, entry: str) -> Path:
    """Lay a module and the metadata of a package that names it into a folder; return the folder.

    `entry` is a line of entry_points.txt: "springs = toy_architecture:Springs".
    """
    info = folder / f"{module.stem}-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(module, folder)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.stem}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry}\n")
    return folder


def python_that_sees(package: Path, folder: Path) -> Path:
    """Make an environment with all that this one has and a package; return its Python.

    Workers see the packages of an environment, and nothing that PYTHONPATH adds.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    [site_packages] = folder.glob("lib/python*/site-packages")
    here = [path for path in sys.path if Path(path).is_dir() and "python3" in path]
    root = str(Path(__file__).parents[1])
    lines = [str(package), root, *(path for path in here if path.endswith("site-packages"))]
    (site_packages / "all.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"
