"""Memory that a long-lived process holds for nothing: glibc is told to keep few heaps and to give back what is free.

Not here: what the program itself keeps. Where the C library is another one, nothing is done and nothing is needed.

A pass over thousands of deals fills memory for seconds. glibc keeps a heap for each few threads and gives back the top
of one only, so a daemon's size would creep up for weeks though nothing in it grows (mallopt(3), malloc_trim(3)).
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_ARENA_MAX = -8
"""M_ARENA_MAX of glibc's malloc.h."""

_ARENAS = 2
"""Few threads allocate at the same time under Python's lock."""


def keep_few() -> None:
    """Let this process have few heaps; to be called before it starts threads."""
    library = _glibc()
    if library is not None:
        library.mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give free memory back to the system: milliseconds, worth it after large work."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
