"""Point 5: a plain script that makes the same writes, one record at a time, with the same SDKs.

Not here: a weak opponent. It keeps its connections, asks for nothing twice, and writes each record once; it has no
ledger, no gate and no retry. What it writes is copied from what the connector wrote on deals like these, so both move
the same bytes; whether all of it stands is judged in the sandbox's rows for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.desk import Desk
from bench.ground import NAMES, Ground, ground, one_pass
from bench.plain_scripts import SCRIPTS, Job
from bench.report import Point, Table, count

CASES = ((0, 100), (50, 25))
QUICK_CASES = ((0, 10), (50, 5))
"""Simulated latency in milliseconds, and handoffs with it: fewer where every call waits."""

NO_LIMIT = 1_000_000
TABLES: Mapping[str, tuple[str, str]] = {"sf": ("Opportunity", "Account"), "hs": ("deals", "companies")}
OURS = "handoff_"
"""Every field the connector owns on a deal or account has this in its name, in either CRM."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How one of the two did."""

    calls: int
    seconds: float


NOTE = """\
Both read deal and account, write the CSM on the account, make five tasks and the note, and write the deal. The
connector also polls its feeds, decides, keeps its ledger and messages each CSM (to the sandbox's chat sink); the
script does none of that and is told what to write. Without latency a call costs next to nothing here, so the script's
many calls do too; against a CRM across a network, calls are what takes time. HubSpot's limit of 190 calls in ten
seconds is lifted for both, or the script would mostly wait; its five searches a second are kept, and cost the
connector's poll a second. Handoffs are few, and fewer with latency, because the script is slow; the connector's calls
per handoff fall with the batch (point 1), the script's do not."""


def run(*, quick: bool) -> Point:
    """Run both, one right after the other, without and with latency."""
    began = time.monotonic()
    rows: list[tuple[str, ...]] = []
    for name in NAMES:
        for latency_ms, deals in QUICK_CASES if quick else CASES:
            ours, plain = compare(name, deals=deals, latency_ms=latency_ms)
            rows.append(
                (
                    NAMES[name],
                    f"{latency_ms} ms",
                    count(deals),
                    count(ours.calls),
                    count(plain.calls),
                    f"{plain.calls / ours.calls:.1f}",
                    f"{ours.seconds:.2f}",
                    f"{plain.seconds:.2f}",
                    f"{plain.seconds / ours.seconds:.1f}",
                )
            )
    columns = (
        "CRM", "Latency", "Handoffs", "Calls, connector", "Calls, plain script", "Ratio",
        "Seconds, connector", "Seconds, plain script", "Ratio",
    )  # fmt: skip
    return Point(
        name="plain",
        title="5. Against a plain script, one record at a time",
        tables=(Table("The same writes with the same SDKs, one right after the other", columns, tuple(rows)),),
        notes=(NOTE,),
        seconds=time.monotonic() - began,
    )


def compare(name: str, *, deals: int, latency_ms: int) -> tuple[Ran, Ran]:
    """The connector over so many wins, then the script over their twins."""
    with ground(name) as place, place.runtime(echo=600) as runtime:
        desk, system = place.desks[name], runtime.systems[0]
        desk.world.settings["burst_limit"] = NO_LIMIT
        one_pass(runtime, system)
        first, twins = desk.prepare(deals), desk.prepare(deals)
        desk.win(first)
        before = {each: _ours(desk, each) for each in first}
        desk.world.settings["latency_ms"] = latency_ms
        ours = _timed(desk, first, lambda: one_pass(runtime, system))
        jobs = [_job(desk, done, twin) for done, twin in zip(first, twins, strict=True)]
        if any(_ours(desk, each) == before[each] for each in first):
            raise RuntimeError("the connector wrote nothing on a deal it handed off")
        desk.win(twins)
        return ours, _timed(desk, twins, lambda: _script(place, name, jobs))


def _script(place: Ground, name: str, jobs: Sequence[Job]) -> None:
    url = place.sandbox.sf_url if name == "sf" else place.sandbox.hs_url
    SCRIPTS[name](url, jobs)


def _timed(desk: Desk, ids: Sequence[str], do: Callable[[], None]) -> Ran:
    since, began = desk.mark(), time.monotonic()
    do()
    ran = Ran(calls=len(desk.calls(since)), seconds=time.monotonic() - began)
    open_ = sum(not desk.handed_off(each) for each in ids)
    if open_:
        raise RuntimeError(f"{open_} of {len(ids)} handoffs are not complete")
    return ran


def _job(desk: Desk, done: str, twin: str) -> Job:
    """What a script has to write on a deal so that it looks like one that the connector handed off."""
    deals, accounts = TABLES[desk.name]
    account, twin_account = desk.crm.deal(done).account, desk.crm.deal(twin).account
    return Job(
        deal=twin,
        account=twin_account,
        deal_values=_renamed(_written(desk, deals, done), done, twin),
        account_values=_renamed(_written(desk, accounts, account), done, twin),
        tasks=[_renamed(_values(desk, each.id, "Task", "tasks"), done, twin) for each in desk.crm.tasks_of(done)],
        notes=[_renamed(_values(desk, each.id, "Note", "notes"), done, twin) for each in desk.crm.notes_of(done)],
    )


def _ours(desk: Desk, deal_id: str) -> dict[str, Any]:
    return _written(desk, TABLES[desk.name][0], deal_id)


def _written(desk: Desk, table: str, row_id: str) -> dict[str, Any]:
    """The connector's own fields of a record, those it only reads left out."""
    row = desk.world.table(table).rows[row_id]
    human = {field.casefold() for field in HUMAN}
    return {
        name: value
        for name, value in row.values.items()
        if OURS in name.casefold() and name.casefold().removeprefix(OURS).removesuffix("__c") not in human
    }


HUMAN = frozenset(
    {
        "product", "why_bought", "use_case", "commitments", "success_criteria", "risks", "competition",
        "champion_stake", "stakeholders", "special_terms", "champion", "economic_buyer", "go_live_date",
    }
)  # fmt: skip
"""Deal fields that people fill: they stand on the twin already."""


def _values(desk: Desk, row_id: str, *tables: str) -> dict[str, Any]:
    table = next(each for each in tables if each in desk.world.tables)
    return dict(desk.world.table(table).rows[row_id].values)


def _renamed(values: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    return {name: value.replace(old, new) if isinstance(value, str) else value for name, value in values.items()}
