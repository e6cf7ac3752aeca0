"""What stands in one world, in words that are the same in another: ids become numbers, moments become blanks.

Not here: bringing anything about. Two pictures of the same acts must be equal, whatever was broken in one of them;
where they are not, each difference is something lost, something doubled, or something that is otherwise.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from daemons import account_csm_changes, csm_changes

from chaos import ROOT
from chaos.ground import World, fallen
from connector.sandbox.views import MOMENT_FIELDS, NoteView, TaskView

MARK = re.compile(r"\(mark [0-9a-f]+\)")
"""What a note's own text is recognised by; it follows from the text, the CSM's name in it included."""

WORD = re.compile(r"\b[A-Za-z0-9]+\b")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*|\b\d{1,2}:\d\d(?: UTC)?")
PORT = re.compile(r"127\.0\.0\.1:\d+")
MEASURED = frozenset(
    {
        *("metric_ae_hours", "metric_assign_minutes", "metric_ttft_hours"),
        *("metric_kickoff_days", "metric_ttfv_days"),
    }
)
"""Fields that say how long something took."""

ONE_DAY = 1
"""Days by which a due date may differ: a kill may carry a handoff over the end of a working day."""

POOLS: Mapping[str, tuple[str, ...]] = {
    pool["name"]: tuple(pool["members"])
    for pool in tomllib.loads((ROOT / "mappings" / "process.toml").read_text())["assignment"]["pools"]
}
"""Who takes turns. Where changes are pushed, two wins of one second may come in either order: which of the pool a deal
falls to may differ then; not the pool, nor how many accounts each gets, nor that all of a deal says the same name."""

SHOWN = 60
"""Characters that are shown from where two texts part."""

Effect = tuple[str, str, str]
"""On which deal, what kind of thing, and which."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How one world differs from the one in which nothing was broken; each entry in words."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    other: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The first few, for a note."""
        return "; ".join((*self.lost, *self.doubled, *self.other)[:3])


@dataclass(slots=True)
class Picture:
    """Effects by how often each is there, what they say, and fields."""

    effects: Counter[Effect] = field(default_factory=Counter)
    says: dict[Effect, Any] = field(default_factory=dict)
    fields: dict[tuple[str, str], Any] = field(default_factory=dict)


def taken(made: World) -> Picture:
    """The picture of a world that has come to rest."""
    names = _names(made)
    found = Picture()
    with made.desk.world.lock:
        for deal_id in made.book.deals:
            _deal(found, made, deal_id, names | _csm(made, deal_id))
    for key in {message.key or "" for message in made.desk.world.messages}:
        deal_id = next((part for part in key.split(":") if part in made.book.deals), "")
        found.effects["messages", "message", _plain(key, names | _csm(made, deal_id))] += 1
    for pool, members in POOLS.items():
        held = made.desk.tally()["loads"]
        found.fields["accounts", f"of pool {pool}"] = sorted(held.get(member, 0) for member in members)
    return found


def compare(broken: Picture, whole: Picture) -> Difference:
    """What is missing, too much, or otherwise in the world that was broken."""
    lost = [f"{_effect(each)} is missing" for each in (whole.effects - broken.effects).elements()]
    doubled = [f"{_effect(each)} is too much" for each in (broken.effects - whole.effects).elements()]
    other = [
        f"{_effect(each)} says {_apart(broken.says[each], whole.says[each])}"
        for each in whole.says.keys() & broken.says.keys()
        if not _same(broken.says[each], whole.says[each])
    ]
    for each in sorted(whole.fields.keys() | broken.fields.keys()):
        stands, meant = broken.fields.get(each), whole.fields.get(each)
        if stands != meant:
            said = f"{each[0]}: {each[1]} is {_apart(stands, meant)}"
            (lost if stands is None else other).append(said)
    return Difference(tuple(lost), tuple(doubled), tuple(other))


def judged(made: World, difference: Difference) -> Difference:
    """With what the sandbox's own judge says of the broken world, and what its daemons say of themselves."""
    tally = made.desk.tally()
    told = {name: tuple(f"{each['name']} {each['what']}" for each in tally[name]) for name in ("lost", "doubled")}
    return Difference(
        lost=difference.lost or told["lost"],
        doubled=difference.doubled or told["doubled"],
        other=(*difference.other, *fallen(made)),
    )


def _names(made: World) -> dict[str, str]:
    """What each id is called in both worlds."""
    crm, book = made.desk.crm, made.book
    names = {user.id: user.email for user in crm.users()}
    names |= {deal: f"deal {number}" for number, deal in enumerate(book.deals, 1)}
    names |= {account: f"account {number}" for number, account in enumerate(book.accounts, 1)}
    return names | {stage.id: stage.label for stage in crm.stages()}


def _csm(made: World, deal_id: str) -> dict[str, str]:
    """The deal's CSM under every name, as a member of a pool."""
    csm = made.desk.see(deal_id).text("csm") if deal_id else ""
    person = next((user for user in made.desk.crm.users() if user.id == csm), None)
    if person is None:
        return {}
    pool = next((f"a CSM of pool {name}" for name, members in POOLS.items() if person.email in members), person.email)
    return dict.fromkeys((person.id, person.email, person.name, person.name.partition(" ")[0]), pool)


def _deal(found: Picture, made: World, deal_id: str, names: Mapping[str, str]) -> None:
    desk = made.desk
    deal, name = desk.crm.deal(deal_id), names[deal_id]
    for key, value in {**deal.fields, "stage": deal.stage.label}.items():
        if value is not None and value != "":
            found.fields[name, key] = "some" if key in MOMENT_FIELDS or key in MEASURED else _plain(value, names)
    hanging: Iterable[tuple[str, TaskView | NoteView]] = (
        *(("task", task) for task in desk.crm.tasks_of(deal_id)),
        *(("note", note) for note in desk.crm.notes_of(deal_id)),
    )
    for kind, each in hanging:
        effect = (name, kind, _plain(each.key or _title(each), names))
        found.effects[effect] += 1
        found.says[effect] = tuple(_content(each, names))
    for number, csm in enumerate(csm_changes(desk, deal_id)):
        found.effects[name, "csm", f"{number + 1}: {_plain(csm, names)}"] += 1
    for number, csm in enumerate(account_csm_changes(desk, deal.account)):
        found.effects[f"account of {name}", "csm", f"{number + 1}: {_plain(csm, names)}"] += 1


def _title(each: TaskView | NoteView) -> str:
    return each.subject if isinstance(each, TaskView) else each.title


def _content(each: TaskView | NoteView, names: Mapping[str, str]) -> Iterator[Any]:
    yield from (_plain(text, names) for text in (_title(each), each.body, each.owner))
    if isinstance(each, TaskView):
        yield each.done
        yield each.due.date() if each.due else None


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, datetime):
        return "some moment"
    if not isinstance(value, str):
        return value
    text = PORT.sub("here", MARK.sub("(mark)", MOMENT.sub("some moment", value)))
    if text in names:
        return names[text]
    for name in sorted((name for name in names if not name.isalnum()), key=len, reverse=True):
        text = text.replace(name, names[name])
    return WORD.sub(lambda found: names.get(found[0], found[0]), text)


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(map(_alike, one, other))


def _alike(one: Any, other: Any) -> bool:
    if type(one) is date and type(other) is date:
        return abs((one - other).days) <= ONE_DAY
    return bool(one == other)


def _effect(each: Effect) -> str:
    return f"{each[0]}: {each[1]} {each[2]}"


def _apart(stands: Any, meant: Any) -> str:
    """Both, from a little before they part."""
    one, other = str(stands), str(meant)
    common = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    begin = max(0, common - 30)
    return f"{one[begin : common + SHOWN]!r} instead of {other[begin : common + SHOWN]!r}"
