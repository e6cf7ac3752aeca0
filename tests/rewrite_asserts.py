"""Every test file with its asserts rewritten, kept where pytest looks for it: once, and not in each of its workers.

Not here: the rewriting, which is pytest's own. Whoever starts the tests without this gets the same, later.

    python tests/rewrite_asserts.py
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace

from _pytest.assertion.rewrite import PYC_TAIL, _read_pyc, _rewrite_test, _write_pyc, get_cache_dir

TESTS = Path(__file__).resolve().parent
PATTERNS = ("test_*.py", "conftest.py")
"""The files whose asserts pytest rewrites unless it is told of others."""


def rewrite(path: Path) -> None:
    """Keep one file, unless what is kept of it is still good."""
    kept = get_cache_dir(path) / (path.stem + PYC_TAIL)
    if _read_pyc(path, kept) is not None:
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    source, code = _rewrite_test(path, None)  # None: no hook for assertions that pass
    _write_pyc(SimpleNamespace(trace=print), code, source, kept)


def main() -> None:
    """All of them, on all cores."""
    paths = [path for pattern in PATTERNS for path in TESTS.rglob(pattern)]
    with multiprocessing.Pool() as pool:
        pool.map(rewrite, paths, chunksize=8)


if __name__ == "__main__":
    main()
