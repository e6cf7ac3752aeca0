"""A folder of mapping files as texts, and the digest that tells whether two of them mean the same.

Not here: what the files say (``load``). Comments and blank lines of the TOML files do not count.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from connector.settings.file import SHARED_FILES

TEXTS = ("*.toml", "playbooks/*.toml", "templates/*.j2")
DIGEST_CHARS = 32


def read_folder(folder: Path) -> Mapping[str, str]:
    """All mapping files of a folder, by their names in it."""
    found = sorted(path for pattern in TEXTS for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in found}


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Put such files into a folder. Raises ValueError for a name that leads out of it."""
    for name, text in files.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ValueError(f"{name!r} is no name of a mapping file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def digest_of(files: Mapping[str, str], *, own: str) -> str:
    """What these files come to for one system, as a digest: ``own`` is its CRM's file, other CRMs' do not count."""
    others = {name for name in files if name.endswith(".toml") and "/" not in name} - SHARED_FILES - {own}
    meant = {name: _meant(name, text) for name, text in files.items() if name not in others}
    return hashlib.sha256(json.dumps(meant, sort_keys=True, default=str).encode()).hexdigest()[:DIGEST_CHARS]


def _meant(name: str, text: str) -> object:
    return tomllib.loads(text) if name.endswith(".toml") else text
