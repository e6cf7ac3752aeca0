"""The quarter of ``handoff demo --headless --days`` in small: its seed decides everything, and its promises hold.

Not here: the whole quarter, which is run by hand and takes minutes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.cli.demo_quarter import quarter

DAYS, DEALS = 6, 3


@pytest.mark.parametrize("system", ["sf", "hs"])
def test_the_seed_decides_everything(tmp_path: Path, system: str) -> None:
    played = [quarter(tmp_path / str(number), days=DAYS, deals=DEALS, seed=3, systems=[system]) for number in range(2)]
    for each in played:
        del each["seconds"]
    assert played[0] == played[1]
    assert played[0]["ok"], (played[0]["troubles"], played[0])
