"""Tests of the rules: each deal of a test file decided by the policy, and held against what the admin expects.

Not here: the deal (``given``), printing (``cli``). Pure but for reading the files: no CRM, no ledger, no secret. A
failure names its line, what was expected, what was found, and the reason the rules give, in the words of ``explain``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connector.errors import Problem, UserError
from connector.handoff.case import Case
from connector.handoff.decide import decide, weigh
from connector.handoff.model import Kind
from connector.handoff.pilot import in_pilot
from connector.handoff.plan import Notify, Plan, SendMail, Upsert
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rules.assignment import pool_of
from connector.handoff.rules.notify import MOMENTS
from connector.handoff.steps import chosen
from connector.policy.crmmap import CrmMap
from connector.policy.given import snapshot
from connector.policy.model.tests import ExpectSpec, TestsFileSpec, TestSpec
from connector.settings.mistakes import did_you_mean, validated
from connector.settings.spans import KeyPath, Source, read

FOLDER = "tests"
"""Where test files lie, within the folder of the mappings."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What tests are held against: one mapping's policy; ``name`` tells it apart where a vendor has several."""

    vendor: str
    policy: Policy
    crm_map: CrmMap
    name: str = ""


@dataclass(frozen=True, slots=True)
class Miss:
    """One expectation that was not met: where it stands (``file:line:column``), and why it is so."""

    where: str
    key: str
    expected: str
    found: str
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One test by one CRM's mapping."""

    file: str
    where: str
    name: str
    vendor: str
    misses: tuple[Miss, ...]

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return not self.misses


@dataclass(frozen=True, slots=True)
class _Seen:
    case: Case
    plan: Plan


def files_in(mappings: Path) -> tuple[Path, ...]:
    """The test files beside a folder's mappings."""
    return tuple(sorted((mappings / FOLDER).glob("*.toml")))


def run_tests(files: Sequence[Path], grounds: Sequence[Ground]) -> tuple[Verdict, ...]:
    """Every test of these files by every CRM in use. Raises UserError with all mistakes in the files themselves."""
    problems: list[Problem] = []
    done: list[Verdict] = []
    for path in files:
        try:
            source = read(path)
        except UserError as error:
            problems += error.problems
            continue
        spec = validated(TestsFileSpec, source, problems)
        if spec is not None:
            done += _file(source, spec, grounds, problems)
    if problems:
        raise UserError(list(dict.fromkeys(problems)))
    return tuple(done)


def _file(source: Source, spec: TestsFileSpec, grounds: Sequence[Ground], problems: list[Problem]) -> Iterator[Verdict]:
    names = [each.name for each in spec.tests]
    for index, one in enumerate(spec.tests):
        at: KeyPath = ("tests", index)
        if one.name in names[:index]:
            problems.append(source.problem((*at, "name"), f"{one.name!r} stands here twice; rename one"))
        vendors = [ground.vendor for ground in grounds]
        if one.crm is not None and one.crm not in KNOWN_CRMS:
            problems.append(source.problem((*at, "crm"), f"{one.crm!r} is no CRM; {did_you_mean(one.crm, KNOWN_CRMS)}"))
        for ground in grounds:
            if one.crm in (None, ground.vendor) and ground.vendor in vendors:
                yield _one(source, spec, one, at=at, ground=ground, problems=problems)


def _one(
    source: Source, spec: TestsFileSpec, one: TestSpec, *, at: KeyPath, ground: Ground, problems: list[Problem]
) -> Verdict:
    made, now, wrong = snapshot(one, spec.base, policy=ground.policy, crm_map=ground.crm_map, at=at)
    problems += [source.problem(each.at, each.message, of_key=True) for each in wrong]
    problems += [source.problem(each, words) for each, words in _unknown(one.expect, ground, at)]
    seen = _Seen(weigh(made, ground.policy, now)[0], decide(made, ground.policy, now))
    misses = [
        Miss(source.where((*at, "expect", key)), key, _words(wanted), _words(found), look.why(seen))
        for key, look in LOOKS.items()
        if (wanted := getattr(one.expect, key)) is not None
        for found in [look.found(seen)]
        if not look.meets(wanted, found)
    ]
    return Verdict(source.file, source.where(at), one.name, ground.name or ground.vendor, tuple(misses))


def _unknown(expect: ExpectSpec, ground: Ground, at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Names in an expectation that nothing has: it could never be met, or, in an empty list, never be missed."""
    policy, here = ground.policy, (*at, "expect")
    asked = [need.field for need in policy.gate.requirements]
    for index, field in enumerate(expect.missing or ()):
        if field not in asked:
            yield (*here, "missing", index), f"{field!r} is required of no deal; {did_you_mean(field, asked)}"
    steps = [task.step for book in policy.playbooks for task in book.tasks]
    for index, step in enumerate(expect.tasks or ()):
        if step not in steps:
            yield (*here, "tasks", index), f"no playbook has a step {step!r}; {did_you_mean(step, steps)}"
    moments = [moment.name for moment in MOMENTS]
    for index, name in enumerate(expect.messages or ()):
        if name not in moments:
            yield (*here, "messages", index), f"there is no message {name!r}; {did_you_mean(name, moments)}"
    members = sorted({email for pool in policy.assignment.pools.values() for email in pool.members})
    single: tuple[tuple[str, str | None, Collection[str]], ...] = (
        ("segment", expect.segment, [each.name for each in policy.segments]),
        ("tier", expect.tier, [each.name for each in policy.tiers]),
        ("pool", expect.pool, policy.assignment.pools),
        ("playbook", expect.playbook, [each.name for each in policy.playbooks]),
    )
    for key, given, known in single:
        if given and given not in known:
            yield (*here, key), f"there is no {key} {given!r}; {did_you_mean(given, known)}"
    for index, email in enumerate(expect.csm_in or ()):
        if email not in members:
            yield (*here, "csm_in", index), f"{email} is in no pool; {did_you_mean(email, members)}"


# --- what can be expected ---------------------------------------------------------------------------------------------


def _equal(wanted: object, found: object) -> bool:
    return wanted == found


def _same(wanted: Collection[str], found: Collection[str]) -> bool:
    return sorted(wanted) == sorted(found)


def _csm(seen: _Seen) -> str:
    return seen.plan.assignment.email if seen.plan.assignment else ""


def _playbook(seen: _Seen) -> str:
    book = chosen(seen.case)
    return book.name if book is not None and seen.case.released else ""


def _tasks(seen: _Seen) -> tuple[str, ...]:
    made = (each for each in seen.plan.actions if isinstance(each, Upsert) and each.kind in (Kind.TASK, Kind.MEETING))
    known = {task.step for book in seen.case.policy.playbooks for task in book.tasks}
    return tuple(sorted(each.step for each in made if each.step in known))


def _messages(seen: _Seen) -> tuple[str, ...]:
    told = [each.step.removeprefix("notify-") for each in seen.plan.actions if isinstance(each, Notify | SendMail)]
    found = {
        moment.name for moment in MOMENTS for step in told if step == moment.name or step.startswith(f"{moment.name}-")
    }
    return tuple(sorted(found))


def _pool(seen: _Seen) -> str:
    named = pool_of(seen.case)
    return named[1] if named else ""


def _said(*rules: str) -> Callable[[_Seen], str]:
    """What these rules say of the deal; without a word of theirs, where the deal stands."""

    def why(seen: _Seen) -> str:
        said = [finding.reason for finding in seen.plan.findings if finding.rule in rules]
        return " ".join(said) or seen.plan.coverage

    return why


def _pool_words(seen: _Seen) -> str:
    named = pool_of(seen.case)
    return f"The first rule of assignment that fits is {named[0]!r}." if named else "No rule of assignment fits."


def _segment_words(seen: _Seen) -> str:
    case = seen.case
    tier = f", tier {case.tier.name}" if case.tier else ""
    amount = "empty" if case.value("amount") is None else case.value("amount")
    return f"Amount {amount}, {case.snapshot.deal_type.value}: segment {case.segment}{tier}."


def _pilot_words(seen: _Seen) -> str:
    return seen.plan.standing.why if seen.case.policy.pilot.groups else "process.toml has no [pilot]."


@dataclass(frozen=True, slots=True)
class Look:
    """How one expectation is looked at: what is found, whether that meets it, and why it is so."""

    found: Callable[[_Seen], object]
    why: Callable[[_Seen], str]
    meets: Callable[..., bool] = _equal


LOOKS: Mapping[str, Look] = {
    "phase": Look(lambda seen: seen.plan.phase.value, _said("lifecycle")),
    "gate": Look(lambda seen: seen.plan.gate.value if seen.plan.gate else "", _said("gate", "lifecycle")),
    "missing": Look(lambda seen: tuple(gap.field for gap in seen.plan.missing), _said("gate", "readiness"), _same),
    "percent": Look(lambda seen: seen.plan.percent, _said("gate", "readiness")),
    "segment": Look(lambda seen: seen.plan.segment, _segment_words),
    "tier": Look(lambda seen: seen.case.tier.name if seen.case.tier else "", _segment_words),
    "pool": Look(_pool, _pool_words),
    "csm": Look(_csm, _said("assignment")),
    "csm_in": Look(_csm, _said("assignment"), lambda wanted, found: found in wanted),
    "playbook": Look(_playbook, _said("playbook")),
    "tasks": Look(_tasks, _said("playbook"), _same),
    "messages": Look(_messages, _said("notify"), _same),
    "in_pilot": Look(lambda seen: in_pilot(seen.case), _pilot_words),
}
"""Every key of ``[tests.expect]``; a test holds the table complete."""

KNOWN_CRMS = ("hubspot", "salesforce")


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(sorted(str(each) for each in value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value != "" else "none"
