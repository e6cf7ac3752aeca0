"""Gives a daemon the clock of a file: Python runs this at the start of a process that has this folder on its path.

Not part of the product, which has no such switch: the file that CHAOS_CLOCK names holds one number of eight bytes, the
seconds by which the process's clock is off, and whoever wrote it may change it at any time.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from datetime import UTC, datetime, timedelta

_named = os.environ.get("CHAOS_CLOCK")
if _named:
    from connector import clock as _clock

    with open(_named, "rb") as _file:  # before anything else is loaded
        _held = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)
    _time = time.time

    def _off() -> float:
        return float(struct.unpack("d", _held[:8])[0])

    def _now(_self: object) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=_off())

    _clock.SystemClock.now = _now  # type: ignore[method-assign,assignment]
    time.time = lambda: _time() + _off()
