"""SHA-256 of a file, or of a folder as one thing."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the checksum of a file, or of the checksums of a folder's files, by name."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "".join(
            f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in files
        )
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
