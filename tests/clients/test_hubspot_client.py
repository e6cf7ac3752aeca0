"""npm @hubspot/api-client, which nobody here wrote, uses the HubSpot sandbox; then the portal's own rows are looked at.

Not here: what each answer must look like (``hubspot_tour.mjs``, beside this file).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import node_tools
import pytest

from connector.sandbox.hubspot import catalog, links
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.schema import APP_CLIENT_ID, APP_CLIENT_SECRET, APP_REFRESH_TOKEN, TOKEN
from connector.sandbox.server import Sandbox

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
TOUR, PINNED = HERE / "hubspot_tour.mjs", HERE / "hs"
DEALS = 230
SHOWS = (
    "say which portal this is",
    "renew a token by OAuth, and use it",
    "know the won stages of the pipelines",
    "make a group and properties of one's own",
    "create, read, update and archive one record",
    "be told what is wrong",
    "create many in batches, and fail alone where asked for",
    "read, update, upsert and archive in batches",
    "search by filters, in order, page by page",
    "be kept within the limits of a search",
    "list every record",
    "associate, label, read and take apart",
    "hang tasks, notes and meetings on a deal",
    "merge two deals",
    "use a dated path by hand",
)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    node_tools.modules(PINNED)
    with Sandbox.running(bare_hubspot=True) as made:
        made.hs.settings.update(search_per_second=0)
        yield made


def test_the_vendors_client_finds_the_portal_it_knows(sandbox: Sandbox) -> None:
    printed = node_tools.said_with(
        PINNED,
        TOUR,
        HS_URL=sandbox.hs_url,
        HS_TOKEN=TOKEN,
        HS_CLIENT=APP_CLIENT_ID,
        HS_SECRET=APP_CLIENT_SECRET,
        HS_REFRESH=APP_REFRESH_TOKEN,
    )
    told = [line.removeprefix("ok ").partition(": ") for line in printed.splitlines()]
    assert [name for name, _, _ in told] == list(SHOWS)
    assert all(what for _, _, what in told)
    _judge(sandbox)


def _judge(sandbox: Sandbox) -> None:
    """The state of the world, by its rows and not by what the client was told."""
    world = sandbox.hs
    deals = {row.values["dealname"]: row for row in world.table("deals").live()}
    won, merged = deals["Fleet"], deals[f"Batch {DEALS - 2}"]
    # Two of the many are one now, one good row came of the mixed batch, and Fleet: none doubled, none lost.
    assert len(list(world.table("deals").live())) == DEALS - 1 + 2
    assert (won.values["dealstage"], won.values["tour_csm"]) == ("closedwon", next(iter(world.table("owners").rows)))
    assert merged.values["hs_merged_object_ids"].count(";") == 1
    kind = kind_of("deals")
    (task,) = links.linked(world, kind, won.id, kind_of("tasks"))
    (note,) = links.linked(world, kind, won.id, kind_of("notes"))
    assert world.table("tasks").rows[task[0]].values["tour_key"] == "tour:1"
    assert won.values["hs_pinned_engagement_id"] == note[0]
    (company,) = world.table("companies").live()
    assert len(links.linked(world, kind_of("companies"), company.id, kind)) == 4
    known = catalog.properties(world, kind)
    assert (known["tour_key"].unique, known["tour_csm"].owner) == (True, True)
    assert [option.value for option in known["tour_size"].options] == ["huge"]
