"""The mapping files that come with this program: what a company begins with, and what an audit judges by before that.

Not here: reading them (``load``) and changing them (``cli.init``).
"""

from __future__ import annotations

from pathlib import Path


def shipped_mappings() -> Path:
    """The mappings folder that came with this program: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parent.parent
    return next(path for path in (package / "mappings", package.parent / "mappings") if path.is_dir())
