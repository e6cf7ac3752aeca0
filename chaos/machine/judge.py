"""What must hold when the world is at rest, said of the CRM as it stands and of what the connector wrote there.

Not here: how it came to that (``story``). Everything that is wrong is gathered and raised at once, in words that name
the deal, so that one failing example tells all of it. The judge goes by the CRM and by the sentences that ``status``
and ``explain`` show; it does not ask the code under test whether it is right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from chaos.machine.office import Office
from chaos.machine.place import Deal, Hung, Place, Wrote
from connector.handoff.model import Kind
from connector.handoff.plan import Phase
from connector.handoff.rulebook.fields import FieldOwner
from connector.store import Look
from connector.store.states import State
from connector.store.views import HandoffView

SUMMARY = "summary"


class Broken(AssertionError):
    """Promises that did not hold; ``lost`` and ``doubled`` are how many of them are of that kind."""

    def __init__(self, wrongs: list[str]) -> None:
        self.lost = sum(each.startswith("LOST") for each in wrongs)
        self.doubled = sum(each.startswith("DOUBLED") for each in wrongs)
        super().__init__("\n".join(wrongs))


def judge(office: Office, *, people_deleted: frozenset[str]) -> None:
    """Hold the world at rest against every promise. Raises `Broken`."""
    place = office.place
    wrongs = [
        *_not_lost(office, people_deleted),
        *_not_doubled(place),
        *_told_once(office),
        *_outbox(office),
        *place.book.wrongs,
        *_touched(place),
        *_writes_again(office),
    ]
    place.book.wrongs.clear()
    place.book.blind = False
    if wrongs:
        raise Broken(wrongs)


def _not_lost(office: Office, people_deleted: frozenset[str]) -> Iterator[str]:
    """Every won deal has its handoff, or a reason that people can read and that is true."""
    store, place = office.stores[0], office.place
    parked = {(row.deal_id, row.step) for row in store.parked(place.system)}
    held_back = {deal_id for deal_id, _ in parked}
    for deal in place.deals():
        if not deal.won:
            continue
        view = store.handoff(place.system, deal.id)
        if view is None or view.phase is None:
            yield f"LOST {deal.id} is won and the ledger does not know it"
        elif not view.reason.strip():
            yield f"LOST {deal.id} is won, {view.phase}, and nothing says why"
        elif view.phase is Phase.BEFORE_START and _dated_after(deal, store.baseline(place.system)):
            yield f"LOST {deal.id} is taken for a win from before the start"
        elif view.phase in (Phase.WON, Phase.OPEN, Phase.REOPENED, Phase.LOST):
            yield f"LOST {deal.id} is won and stands as {view.phase}: {view.reason}"
        elif view.phase is Phase.HELD and not _gaps(place, deal) and deal.id not in held_back:
            yield f"LOST {deal.id} is held though nothing is missing: {view.reason}"
        elif view.phase is Phase.IN_FLIGHT and view.csm_id:
            yield from _whole(place, deal, view, deleted=people_deleted, parked=parked)


def _dated_after(deal: Deal, start: datetime | None) -> bool:
    """Whether the vendor's own time of the win is not before the start: its clock may have gone back since.

    The ledger is not asked: of a win that never began it keeps no time.
    """
    return deal.won_at is None or start is None or deal.won_at >= start


def _gaps(place: Place, deal: Deal) -> list[str]:
    needs = place.policy.gate.requirements
    return [need.field for need in needs if deal.values.get(need.field) in (None, "")]


def _whole(
    place: Place, deal: Deal, view: HandoffView, *, deleted: frozenset[str], parked: set[tuple[str, str]]
) -> Iterator[str]:
    """Whether all of a handoff is there, as far as no person took it away and no step was done beforehand."""
    keys = {each.key for each in place.hung(deal.id) if each.key} | deleted

    def there(step: str) -> bool:
        made = any(key.endswith(f":{view.generation}:{step}") for key in keys)
        return made or (deal.id, step) in parked or step in view.done_signals

    books = [[task.step for task in book.tasks if task.at_release] for book in place.policy.playbooks]
    lacking = min(([step for step in (*book, SUMMARY) if not there(step)] for book in books), key=len)
    if lacking:
        yield f"LOST {deal.id} has no {', '.join(lacking)} of generation {view.generation}; it has {sorted(keys)}"
    for name in ("status", "gate", "started_at"):
        if deal.values.get(name) in (None, "") and (deal.id, name) not in place.book.said and not _parked(deal, parked):
            yield f"LOST {deal.id} is in handoff and its {name} is empty"


def _parked(deal: Deal, parked: set[tuple[str, str]]) -> bool:
    return any(deal_id == deal.id for deal_id, _ in parked)


def _not_doubled(place: Place) -> Iterator[str]:
    """One record for each natural key, deleted ones counted; and no two under other keys that say the same."""
    ours = [each for each in place.hung() if each.ours]
    by_key: dict[tuple[Kind, str], list[Hung]] = defaultdict(list)
    for each in ours:
        if each.key:
            by_key[each.kind, each.key].append(each)
        else:
            yield f"DOUBLED {each.kind.value} {each.id} on {each.deal_id} is ours and carries no key"
    for (kind, key), found in by_key.items():
        if len(found) > 1:
            yield f"DOUBLED {kind.value} {key} was made {len(found)} times: {[each.id for each in found]}"
    # By the deal in the key too: of two deals that were merged each had a handoff, and both are kept.
    said = Counter(
        (each.kind.value, each.deal_id, *each.key.split(":")[-3:-1], each.text)
        for each in ours
        if not each.gone and each.key
    )
    for (what, deal_id, _, generation, text), count in said.items():
        if count > 1:
            yield f"DOUBLED {what} on {deal_id}, generation {generation}, {count} times: {text[:60]!r}"


def _told_once(office: Office) -> Iterator[str]:
    """A message may come twice under one key where its answer was in doubt, and never under two keys."""
    under: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for each in office.told:
        under[each.to_email, each.text, each.deal_id, each.key.split(":")[2]].add(each.key)
    for (to, *_), keys in under.items():
        if len(keys) > 1:
            yield f"DOUBLED one message to {to} under {sorted(keys)}"


def _outbox(office: Office) -> Iterator[str]:
    open_rows = {name: count for name, count in office.outbox().items() if name != State.PARKED.value}
    if open_rows:
        yield f"the outbox is not empty: {open_rows}"
    for row in office.stores[0].parked(office.place.system):
        if row.error is None or not row.error.message.strip():
            yield f"{row.step} of {row.deal_id} is parked and no words say why"


def _touched(place: Place) -> Iterator[str]:
    """What the connector wrote, write by write: only what is its own, and never over a person's words."""
    ours = {path for path, rule in place.policy.fields.items() if rule.owner is not FieldOwner.HUMAN}
    for wrote in place.book.writes:
        if wrote.made and wrote.kind in (Kind.DEAL, Kind.ACCOUNT):
            yield f"the connector made a {wrote.kind.value}: {wrote.record_id}"
        elif wrote.kind in (Kind.DEAL, Kind.ACCOUNT):
            yield from _on_record(place, wrote, ours)
        elif not wrote.key:
            yield f"a person's {wrote.kind.value} {wrote.record_id} was changed: {dict(wrote.after)}"
    place.book.writes.clear()


def _on_record(place: Place, wrote: Wrote, ours: set[str]) -> Iterator[str]:
    prefix = "account." if wrote.kind is Kind.ACCOUNT else ""
    for name, value in wrote.after.items():
        if name == "stage" and wrote.before.get("stage") == place.won and value in place.opens:
            continue  # the gate puts a win with gaps back: the one field of people's, because its mode says so
        if prefix + name not in ours:
            yield f"{name} of {wrote.record_id} is people's and was set from {wrote.before.get(name)!r} to {value!r}"


def _writes_again(office: Office) -> Iterator[str]:
    """Every deal is looked at once more: nothing may come of it."""
    place, store = office.place, office.stores[0]
    told = len(office.told)
    place.book.writes.clear()
    looks = [Look(deal_id=deal.id, due_at=office.at(), reason="looked at once more") for deal in place.deals()]
    store.enqueue(place.system, looks)
    result = office.run(0)
    if result.error:
        yield f"a pass in fair weather failed: {result.error}"
    for wrote in place.book.writes:
        yield f"a second pass wrote {wrote.kind.value} {wrote.record_id}: {dict(wrote.before)} -> {dict(wrote.after)}"
    if len(office.told) > told:
        yield f"a second pass told {office.told[-1].key}"
    rows = office.outbox()
    if any(name != State.PARKED.value for name in rows):
        yield f"a second pass left rows to send: {rows}"
