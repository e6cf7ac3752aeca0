"""The proof by breaking: kills, losses, bad weather, hostile bodies, and what became of the handoffs.

Not part of the product and not in its wheel. It stands on the same ground as the system tests (``tests/daemons.py``),
which is why their folder is put on the path here.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder."""

_TESTS = str(ROOT / "tests")
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)
