"""A deal's course through the won stages: by the stage-time properties where they agree, else by the stage's history.

Not here: reading either (``reads``) and what follows from a win (``handoff``). How far back a portal keeps a history is
nowhere said (facts: HubSpot §1), so one that is cut short or missing is completed from the stage times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connector.crm.hubspot import wire
from connector.crm.hubspot.fields import STAGE
from connector.crm.hubspot.movers import Own, mover_of
from connector.handoff.model import Stage
from connector.handoff.moves import NOBODY_KNOWN, SAME_MOMENT, Mover, Passing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENTERED, EXITED = "hs_v2_date_entered_", "hs_v2_date_exited_"

StageOf = Callable[[str], Stage | None]
"""The stage behind an id, in whichever pipeline; None for one that was deleted."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Which properties tell when a deal entered and left each stage: stage id → property, as the portal lists them.

    ``open`` are the stages a deal may be put back to. ``complete``: every won stage has the property for entering it.
    """

    entered: Mapping[str, str]
    exited: Mapping[str, str]
    open: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.entered.values(), *self.exited.values())


def stage_times(properties: Sequence[str], stages: Sequence[Stage]) -> StageTimes:
    """Find the properties in the portal's own list. A name may carry a suffix or a mangled id, so it is looked for
    and never put together (facts: HubSpot §4). Of entries only those into won stages matter."""
    won = tuple(stage for stage in stages if stage.is_won)
    entered = _by_stage(properties, ENTERED, won)
    return StageTimes(
        entered=entered,
        exited=_by_stage(properties, EXITED, stages),
        open=frozenset(stage.id for stage in stages if not stage.is_closed),
        complete=all(stage.id in entered for stage in won),
    )


def _by_stage(properties: Sequence[str], prefix: str, stages: Sequence[Stage]) -> dict[str, str]:
    tails = {name.removeprefix(prefix): name for name in properties if name.startswith(prefix)}
    found: dict[str, str] = {}
    for stage in stages:
        mangled = stage.id.lower().replace("-", "_")
        suffixed = [tail for tail in tails if tail.rpartition("_")[0] == mangled and tail.rpartition("_")[2].isdigit()]
        tail = next((each for each in (stage.id, stage.id.lower(), mangled) if each in tails), None)
        if tail is None and len(suffixed) == 1:
            tail = suffixed[0]
        if tail is not None:
            found[stage.id] = tails[tail]
    return found


@dataclass(frozen=True, slots=True)
class Course:
    """When a deal entered the won stage it stands in, where it came from and who moved it; None where that is not
    known. ``passed`` are earlier stays in a won stage, oldest first."""

    at: datetime | None = None
    before: str | None = None
    by: Mover = NOBODY_KNOWN
    passed: tuple[Passing, ...] = ()


def win_from_times(row: wire.Obj, stage: Stage, times: StageTimes) -> Course:
    """The win by the stage-time properties, as far as they agree with each other.

    A stage that was left after it was entered, though the deal stands in it, shows that the portal keeps the first
    entry and not the last; then nothing is taken from them.
    """
    at = row.at(times.entered.get(stage.id, ""))
    left = row.at(times.exited.get(stage.id, ""))
    if at is None or (left is not None and left >= at):
        return Course()
    leavers = [
        other
        for other, name in times.exited.items()
        if other != stage.id and (moment := row.at(name)) is not None and abs(moment - at) <= SAME_MOMENT
    ]
    before = leavers[0] if len(leavers) == 1 and leavers[0] in times.open else None
    return Course(at=at, before=before)


def was_won(row: wire.Obj, times: StageTimes) -> bool:
    """Whether a deal that is not won may have been, as far as its stage times tell."""
    return not times.complete or any(row.at(name) is not None for name in times.entered.values())


@dataclass(frozen=True, slots=True)
class _Step:
    """The deal came to a stage; ``after`` is the step that ended its stay."""

    stage_id: str
    at: datetime
    by: Mover


def from_history(
    told: wire.Obj, *, row: wire.Obj, stage: Stage, times: StageTimes, stage_of: StageOf, own: Own
) -> Course:
    """The course of a deal by the history in ``told``; ``row`` is the deal with its times as it was read in ``stage``.

    The two were read one after the other: what happened in between is left to the next look.
    """
    steps = _until(stage.id, _steps(told, own))
    if not steps:
        return _from_times_alone(row, stage, times)
    stays = tuple(_stays(steps, stage_of, until=stage))
    if not stage.is_won:
        ended = tuple(each if isinstance(each, Passing) else _closed(each, row, stage, times) for each in stays)
        return Course(passed=ended)
    passed = tuple(each for each in stays if isinstance(each, Passing))
    current = next((each for each in stays if isinstance(each, Course)), Course())
    by_times = win_from_times(row, stage, times)
    return replace(
        current, at=_earlier(by_times.at, current.at), before=current.before or by_times.before, passed=passed
    )


def _steps(told: wire.Obj, own: Own) -> list[_Step]:
    """Oldest first; a stage written over itself is no step."""
    steps: list[_Step] = []
    for entry in reversed(told.history.get(STAGE, ())):
        if entry.value and (not steps or steps[-1].stage_id != entry.value):
            steps.append(_Step(entry.value, entry.at, mover_of(entry, own)))
    return steps


def _until(stage_id: str, steps: list[_Step]) -> list[_Step]:
    """Up to the stage the deal was read in; all of them where the history does not have that step yet."""
    last = max((number for number, step in enumerate(steps) if step.stage_id == stage_id), default=None)
    return steps if last is None else steps[: last + 1]


def _stays(steps: Sequence[_Step], stage_of: StageOf, *, until: Stage) -> list[Passing | Course]:
    """The stays in won stages, in order; from one won stage to another is one stay. The last may be open-ended."""
    found: list[Passing | Course] = []
    last_open: str | None = None
    entry: _Step | None = None
    came_from: str | None = None
    for step in steps:
        stage = stage_of(step.stage_id)
        is_won = (stage is not None and stage.is_won) or (step.stage_id == until.id and until.is_won)
        if is_won and entry is None:
            entry, came_from = step, last_open
        elif not is_won and entry is not None:
            found.append(Passing(entry.at, step.at, came_from, step.stage_id, entry.by, step.by))
            entry = None
        if stage is not None and not stage.is_closed:
            last_open = step.stage_id
    if entry is not None:
        found.append(Course(entry.at, came_from, entry.by))
    return found


def _closed(stay: Course, row: wire.Obj, stage: Stage, times: StageTimes) -> Passing:
    """A stay whose end the history does not show yet, though the deal stands elsewhere."""
    entered = stay.at or row.updated_at or EPOCH
    return Passing(entered, _left(row, times, since=entered), stay.before, stage.id, stay.by)


def _from_times_alone(row: wire.Obj, stage: Stage, times: StageTimes) -> Course:
    """Without any history: the stage times know of one entry per stage."""
    if stage.is_won:
        return win_from_times(row, stage, times)
    entries = sorted(at for name in times.entered.values() if (at := row.at(name)) is not None)
    return Course(passed=tuple(Passing(at, _left(row, times, since=at), None, stage.id) for at in entries))


def _left(row: wire.Obj, times: StageTimes, *, since: datetime) -> datetime:
    """When a won stage was left: as the stage times say, at the latest with the deal's last change."""
    told = (row.at(times.exited.get(each, "")) for each in times.entered)
    ends = [at for at in told if at is not None and at >= since]
    return min(ends, default=max(row.updated_at or since, since + timedelta(milliseconds=1)))


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The stage times' moment where the two agree, so that a win is the same win at every look; else the history's,
    which knows the last entry where the times may know the first."""
    if one is None or other is None:
        return one or other
    return one if abs(one - other) <= timedelta(minutes=1) else other
