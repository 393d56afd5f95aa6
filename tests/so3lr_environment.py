"""An environment of its own with so3lr: a library of another author, its weights in its wheel."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PACKAGES = (
    "so3krates-torch==0.2.1",
    "matscipy==1.3.1",
    "torch-ema==0.3",
    "torch-geometric==2.7.0",
    "torchmetrics==1.9.0",
    "lightning-utilities==0.15.3",
    "prettytable==3.18.0",
    "wcwidth==0.9.4",
)
"""All that it needs beside torch, numpy and ASE, which come from rung's environment: --no-deps."""


def make(folder: Path) -> Path:
    """Make it and return its Python."""
    venv.create(folder, with_pip=False)
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target"]
    subprocess.run([*command, str(packages), *PACKAGES], check=True, timeout=800)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "rung.pth").write_text("\n".join(borrowed) + "\n")
    return folder / "bin" / "python"
