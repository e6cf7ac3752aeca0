"""The CRM in memory keeps the same contract as the real ones."""

from __future__ import annotations

import pytest
from contract.suite import CrmContract
from contract.worlds import MemoryWorld


class TestMemoryContract(CrmContract):
    """With notes that carry a key (as HubSpot's) and without (as Salesforce's)."""

    @pytest.fixture(params=[True, False], ids=["keyed-notes", "keyless-notes"])
    def world(self, request: pytest.FixtureRequest) -> MemoryWorld:
        return MemoryWorld(notes_have_keys=request.param)
