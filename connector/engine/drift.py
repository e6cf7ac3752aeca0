"""A CRM that is not what it was: within the hour a mapped field that is gone, hidden or of another type is noticed.

Not here: what is wrong with a field (``policy.check``) and which rules go by it (``policy.needed``). A requirement on a
field that cannot be read rests by itself. A rule whose conditions go by it would take it for empty, so that rule stands
still, as if a person had paused it, until the field is back or somebody resumes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from connector.engine.alarms import Cry, clear_alarm, raise_alarm
from connector.engine.brakes import ITSELF
from connector.engine.parts import Shared, System
from connector.engine.places import stored
from connector.errors import CrmError, Problem, UserError
from connector.handoff.model import Kind
from connector.policy.check import check
from connector.policy.crmmap import CrmMap
from connector.policy.needed import needed_by
from connector.store import Pause

SCHEMA_DRIFTED = "schema.drifted"
SCHEMA_RETURNED = "schema.returned"

LEARNED_EVERY = timedelta(minutes=50)
"""So that, with the pass it takes, an hour is kept."""

DOUBTED_AFTER = timedelta(minutes=1)
"""After a pass that the CRM refused, maybe because a field is gone; not at each such pass, as learning costs calls."""

NOTE = "usual:schema"
"""Under this name, beside the feeds' cursors, stands what was wrong with the CRM's fields when the mapping was new."""

ALARM = "schema"
PATHS = ", "
"""Between the fields for which a rule stands still."""

WHY = "not shown by the CRM: "
"""How the reason begins for which a rule stands still."""

LEARNED = (Kind.DEAL, Kind.ACCOUNT, Kind.TASK)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one CRM under one mapping (``digest``): what was wrong from the first, which fields were not
    shown then, and for which that were lost since rules stand still (paths by rule)."""

    digest: str
    problems: tuple[str, ...]
    absent: tuple[str, ...]
    still: Mapping[str, str]

    def dump(self) -> str:
        """As text."""
        return json.dumps([self.digest, self.problems, self.absent, dict(self.still)])

    @classmethod
    def parse(cls, text: str) -> Known:
        """From a text that `dump` made."""
        digest, problems, absent, still = json.loads(text)
        return cls(str(digest), tuple(map(str, problems)), tuple(map(str, absent)), dict(still))


def watch_schema(shared: Shared, system: System) -> int:
    """Learn anew what the CRM shows, when it is time or it refused the last pass. Raises `CrmError`; returns 0."""
    now = shared.clock.now()
    since = now - system.schema_read if system.schema_read else LEARNED_EVERY
    wait = DOUBTED_AFTER if system.doubted else LEARNED_EVERY
    if system.crm_map is None or (abs(since) < wait) or (system.sparing and not system.doubted):
        return 0
    system.schema_read, system.doubted = now, False
    try:
        system.crm.relearn()
    except UserError as error:
        _cry(shared, system, error.problems, stops=True)
        return 0
    except CrmError:
        system.doubted = True  # it was not read after all: not only in an hour again
        raise
    system.stages = system.crm.stages()
    compare_schema(shared, system)
    return 0


def compare_schema(shared: Shared, system: System) -> None:
    """Hold what the CRM shows, as it was last read, against what it showed when this mapping was new."""
    if system.crm_map is None:
        return
    system.schema_read = system.schema_read or shared.clock.now()
    found = _problems(system, system.crm_map)
    absent = _absent(system, system.crm_map)
    digest = system.policy_digest or system.policy.version
    known = stored(shared, system, NOTE, Known.parse)
    if known is None or known.digest != digest:
        known = _anew(digest, found, absent, known)
        shared.store.set_cursor(system.name, NOTE, known.dump())
    lost = [path for path in absent if path not in known.absent]
    still = _pause(shared, system, known.still, lost, absent)
    if still != known.still:
        known = Known(digest, known.problems, known.absent, still)
        shared.store.set_cursor(system.name, NOTE, known.dump())
    fresh = [each for each in found if str(each) not in known.problems]
    if fresh:
        _cry(shared, system, fresh, still=still)
    elif any(each.name == ALARM for each in shared.store.alarms(system.name)):
        log.info(SCHEMA_RETURNED, system=system.name)
        clear_alarm(shared, system, ALARM)


def _anew(digest: str, found: Sequence[Problem], absent: Mapping[str, str], before: Known | None) -> Known:
    """What is known of a mapping that is new: what `handoff check` complains of is, for it was asked.

    Not so what had vanished before and still has. Whoever changed another line did not give it back, so the rules that
    stand still for it go on standing still.
    """
    still = before.still if before is not None else {}
    lost = {path for paths in still.values() for path in paths.split(PATHS) if path in absent}
    names = [absent[path] for path in lost]
    told = [str(each) for each in found]
    problems = tuple(each for each in told if not any(_names(each, name) for name in names))
    return Known(digest, problems, tuple(path for path in absent if path not in lost), still)


def _names(problem: str, field: str) -> bool:
    """Whether a problem speaks of a field; ``field`` with the object's name before it."""
    return re.search(rf"\b{re.escape(field.partition('.')[2])}\b", problem) is not None


def _problems(system: System, crm_map: CrmMap) -> Sequence[Problem]:
    """What is wrong with fields, choices and stages. People are looked after more often, and elsewhere."""
    schemas = {kind: system.crm.describe(kind) for kind in LEARNED}
    return check(system.policy, crm_map, schemas=schemas, stages=system.stages, people=None)


def _absent(system: System, crm_map: CrmMap) -> dict[str, str]:
    """The mapped fields of deal and account that are not shown: the CRM's names for them, by path."""
    found: dict[str, str] = {}
    for kind in (Kind.DEAL, Kind.ACCOUNT):
        schema = system.crm.describe(kind)
        found |= {
            each.path: f"{schema.object_name}.{each.field}"
            for each in crm_map.of(kind)
            if "." not in each.field and each.field not in schema.fields
        }
    return found


def _pause(
    shared: Shared, system: System, before: Mapping[str, str], lost: Sequence[str], absent: Mapping[str, str]
) -> dict[str, str]:
    """Let the rules stand still that go by what was lost, and go on those whose fields are back. Once for each loss: a
    person who resumes a rule all the same is not contradicted, unless it stood still for another reason until then."""
    needs = {path: needed_by(system.policy, path) for path in lost}
    asked = {rule: PATHS.join(path for path in lost if rule in needs[path]) for path in lost for rule in needs[path]}
    paused = {each.rule: _is_ours(each) for each in shared.store.pauses(system.name)}
    still = {rule: paths for rule, paths in asked.items() if before.get(rule) == paths or paused.get(rule, True)}
    for rule, paths in still.items():
        if before.get(rule) != paths and rule not in paused:
            names = ", ".join(absent[path] for path in paths.split(PATHS))
            shared.store.pause_by_hand(system.name, rule=rule, by=ITSELF, why=f"{WHY}{names}")
    _go_on(shared, system, before, but=still)
    return still


def _is_ours(pause: Pause) -> bool:
    return pause.by == ITSELF and pause.why.startswith(WHY)


def _go_on(shared: Shared, system: System, before: Mapping[str, str], *, but: Mapping[str, str]) -> None:
    """End the pauses that a field which is back, or another mapping, has made pointless."""
    ours = {each.rule for each in shared.store.pauses(system.name) if _is_ours(each)}
    for rule in before:
        if rule in ours and rule not in but:
            shared.store.resume_by_hand(system.name, rule=rule, by=ITSELF, why="what it goes by can be read again")


def _cry(
    shared: Shared,
    system: System,
    found: Sequence[Problem],
    *,
    still: Mapping[str, str] | None = None,
    stops: bool = False,
) -> None:
    rules = f" Standing still because of it: {', '.join(still)}." if still else ""
    things = (
        "one thing that the mapping names is" if len(found) == 1 else f"{len(found)} things that the mapping names are"
    )
    subject = f"the CRM has changed: {things} not as before"
    text = "\n".join(str(each) for each in found)
    log.error(SCHEMA_DRIFTED, system=system.name, problems=[str(each) for each in found], still=sorted(still or {}))
    raise_alarm(
        shared,
        system,
        ALARM,
        Cry(
            subject=subject,
            text=f"{text}\nRequirements on what is not shown are not checked.{rules}",
            next="give the field back or change the mapping, then handoff check; what stands still goes on by itself "
            "within the hour, or at once by a restart",
            stops=stops,
        ),
    )
