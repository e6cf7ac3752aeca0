"""What several files of this folder are given."""

from __future__ import annotations

import pytest

from connector.handoff.plan import Notify


@pytest.fixture
def cries() -> list[Notify]:
    """What the people who run it were told."""
    return []
