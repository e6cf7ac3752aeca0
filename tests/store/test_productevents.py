"""Product events on both stores: each once, whoever brings it at the same time, with whatever a sender may write.

Not here: who may bring them (``tests/unit/test_web_track.py``).
"""

from __future__ import annotations

import dataclasses
import json
import threading
from datetime import UTC, datetime

from sqlalchemy import select

from connector.store import Store
from connector.store.productevents import ProductEvent
from connector.store.schema import product_event

EVENT = ProductEvent("m-0", "Report Exported", "2026-11-20T10:00:00.5+01:00", "u-1", None, "{}")


def letters(*numbers: int) -> list[str]:
    return [dataclasses.replace(EVENT, message_id=f"m-{each}").letter() for each in numbers]


def test_an_event_is_there_once_however_many_bring_it_at_once(store: Store) -> None:
    start = threading.Barrier(4)

    def bring(numbers: range) -> None:
        start.wait(10)
        for each in numbers:
            store.event_box("app").post(letters(each, each + 1, each))

    rising, falling = range(6), range(6, -1, -1)
    threads = [threading.Thread(target=bring, args=(numbers,)) for numbers in (rising, falling, rising, falling)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert store.events_kept("app") == 8


def test_what_a_sender_wrote_is_what_is_kept(store: Store) -> None:
    properties = json.dumps({"name": "Zoë \x00 \ud800 \U0001f600", "deep": [[{"x": None}]]})
    told = dataclasses.replace(
        EVENT, event="Überprüft 😀", group_id="g'); drop table product_event;--", properties=properties
    )
    store.event_box("app").post([told.letter()])
    with store._db.read() as connection:
        (row,) = connection.execute(select(product_event))
    assert (row.event, row.user_id, row.group_id) == (told.event, "u-1", told.group_id)
    assert row.at == datetime(2026, 11, 20, 9, 0, 0, 500_000, tzinfo=UTC)
    assert json.loads(row.properties) == json.loads(properties)
