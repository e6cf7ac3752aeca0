"""The trail against the ledger after busy days: every write stands in it with before and after, and nothing else does.

Not here: the trail's chain (``tests/store/test_trail.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from daemons import site
from engine.harness import SYSTEM, a_desk
from sqlalchemy import Connection, create_engine, select

from connector.store.audit import AuditKind
from connector.store.schema import audit, outbox
from connector.store.states import State
from connector.store.told import UNKNOWN

OWNED = frozenset({"status", "gate", "missing", "started_at"})
"""Fields that nobody but the connector writes here: what it finds in one is what it put there last."""


def whole(connection: Connection, *, system: str) -> list[dict[str, Any]]:
    """What the trail says of each write, oldest first, after it was held against the outbox."""
    of_trail = (audit.c.system == system, audit.c.kind == AuditKind.APPLIED.value)
    rows = connection.execute(select(audit.c.deal_id, audit.c.data).where(*of_trail).order_by(audit.c.id)).all()
    told = [{**json.loads(row.data), "deal": row.deal_id} for row in rows]
    of_outbox = (outbox.c.system == system, outbox.c.state == State.APPLIED)
    sent = {row.id: row for row in connection.execute(select(outbox).where(*of_outbox))}
    assert Counter(each["row"] for each in told) == Counter(list(sent)), (
        "a write without its entry, or an entry without one"
    )
    for each in told:
        row = sent[each["row"]]
        asked = json.loads(row.action)
        assert (each["deal"], each["step"], each["operation"]) == (row.deal_id, row.step, row.operation)
        assert each["after"], each
        made = asked["type"] != "patch" and not asked.get("record_id")
        assert (each["before"] is None) is made, each
        assert made or each["before"].keys() == each["after"].keys(), each
    return told


def nothing_unseen(told: list[dict[str, Any]]) -> int:
    """Each value found in a field that is ours alone is the one written there last. Returns how many were compared."""
    last: dict[tuple[str, str], Any] = {}
    compared = 0
    for each in told:
        if each["operation"] != "update":
            continue
        for name in OWNED & each["after"].keys():
            place = (each["record"], name)
            if place in last:
                compared += 1
                assert each["before"][name] == last[place], (place, each)
            last[place] = each["after"][name]
    return compared


def test_each_write_of_busy_days_stands_in_the_trail_once_with_before_and_after() -> None:
    desk = a_desk()
    desk.run()
    kept, short, again = desk.a_deal(), desk.a_deal(why_bought=None), desk.a_deal()
    for deal in (kept, short, again):
        desk.win(deal)
    desk.settle()
    desk.crm.edit(short, why_bought="They need it before the winter.")
    desk.crm.edit(again, stage="Negotiation")
    desk.settle()
    desk.win(again)
    desk.crm.edit(desk.tasks(kept)["welcome-packet"].id, status="done")
    desk.settle()
    desk.run(days=2)
    desk.settle()
    with desk.store._db.read() as connection:
        told = whole(connection, system=SYSTEM)
    assert {each["operation"] for each in told} == {"update", "upsert", "send"}
    assert nothing_unseen(told) > 0


def test_after_the_ledger_was_lost_what_is_not_known_is_said_to_be_so() -> None:
    desk = a_desk()
    desk.run()
    deal = desk.a_deal()
    desk.win(deal)
    desk.settle()
    desk.lose_ledger()
    desk.settle()
    desk.crm.edit(deal, why_bought="They merged, and need one system for both.")
    desk.settle()
    with desk.store._db.read() as connection:
        told = whole(connection, system=SYSTEM)
    changed = [each for each in told if each["operation"] == "upsert" and each["before"] is not None]
    assert changed, "the summary is written anew"
    assert all(value == UNKNOWN for value in changed[0]["before"].values())


def test_on_both_crms_each_write_stands_in_the_trail_with_before_and_after(tmp_path: Path) -> None:
    with site(tmp_path / "site", verify=0, echo=0) as made:
        assert made.pass_here().code == 0
        for desk in made.desks:
            desk.won(2)
            desk.win(desk.deal(without=("why_bought",)), outcome=None)
        assert made.pass_here().code == 0
        for desk in made.desks:
            desk.reopen(desk.won()[0])
        assert made.pass_here().code == 0
        engine = create_engine(f"sqlite:///{made.database}")
        with engine.connect() as connection:
            told = {desk.name: whole(connection, system=desk.name) for desk in made.desks}
        engine.dispose()
    for name, rows in told.items():
        assert {each["operation"] for each in rows} >= {"update", "upsert"}, name
        nothing_unseen(rows)
