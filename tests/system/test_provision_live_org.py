"""Installing into an org that people have lived in: production, a policy that changed, fields and rules of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from provisioned import Bare, bare_org

pytestmark = pytest.mark.system


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Bare]:
    with bare_org(tmp_path / "site") as made:
        yield made


def _make_production(org: Bare) -> None:
    table = org.world.table("Organization")
    for row in list(table.live()):
        table.update(row.id, {"IsSandbox": False}, by="setup")


def test_a_production_org_takes_the_deploy(org: Bare) -> None:
    _make_production(org)
    ran = org.provision("--apply", "--yes")
    assert ran.code == 0, ran.text
    assert "a PRODUCTION org" in ran.text
    assert "Read again: nothing is left to do." in ran.text
