"""Memory that is free goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connector import heap

SHOW = """
from connector import heap
heap.keep_few()
def size():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
before = size()
kept = [bytes([number % 256]) * 1000 for number in range(100_000)]
pins = kept[::2000]
most = size()
del kept
heap.give_back()
print(most - before, most - size())
"""


@pytest.mark.skipif(heap._glibc() is None, reason="the C library is not glibc, and there is nothing to tell it")
def test_what_is_free_between_things_that_stay_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, timeout=60, check=True)
    grown, given = map(int, done.stdout.split())
    assert grown > 80_000
    assert given > 0.8 * grown
