"""process.toml and playbook.toml as a `Policy`: every reference followed, every rule reachable.

Not here: reading files (``load``), the shape of keys (``model``) and the CRM's own schema (``check``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connector.errors import Problem
from connector.handoff.model import Kind
from connector.handoff.productbook import ProductPolicy
from connector.handoff.rulebook.calendars import Calendar, TeamCalendar
from connector.handoff.rulebook.conditions import Condition, Segment, Tier
from connector.handoff.rulebook.fields import FieldRule, FieldType, Prefill
from connector.handoff.rulebook.gate import (
    AcceptancePolicy,
    GateModeRule,
    GatePolicy,
    OverridePolicy,
    Requirement,
    ReviewPolicy,
)
from connector.handoff.rulebook.governance import GovernancePolicy
from connector.handoff.rulebook.messages import NotifyPolicy, SummaryPolicy, SummarySection
from connector.handoff.rulebook.people import AssignmentPolicy, Escalation
from connector.handoff.rulebook.pilot import NO_PILOT, Pilot
from connector.handoff.rulebook.playbooks import MeetingPolicy, Playbook, PlaybookTask
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.quality import NO_QUALITY, QualityPolicy
from connector.handoff.rulebook.watch import CommitmentPolicy, RedFlags, Targets
from connector.handoff.summary import CONTACTS
from connector.policy import calendars, closing
from connector.policy.commitments import commitments
from connector.policy.conditions import Scope, Vocabulary, condition
from connector.policy.consequences import Around, escalation, unmanaged
from connector.policy.crmmap import CrmMap
from connector.policy.governance import governance
from connector.policy.known import EXTRAS, KNOWN
from connector.policy.lists import first_match
from connector.policy.maps import VendorMap
from connector.policy.model.gate import GateSpec
from connector.policy.model.playbooks import PlaybookFileSpec, PlaybooksFileSpec, SummarySpec
from connector.policy.model.process import ProcessSpec
from connector.policy.model.words import When
from connector.policy.pilot import pilot
from connector.policy.playbooks import Ground, playbooks
from connector.policy.pools import assignment
from connector.policy.prefills import prefills
from connector.policy.reach import covers, impossible, taken_by
from connector.policy.redflags import red_flags
from connector.policy.sources import Sources, extra_names, segment_names, tier_names
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

VERSION_CHARS = 12
ESSENTIAL = "essential"
DIGEST = "digest"
NOTES_ARE_MARKUP = frozenset({"hubspot"})
MAILS_ARE_TASKS = frozenset({"salesforce"})
"""Where a mail that was sent is a task of its kind, with the key of tasks."""
"""Whose notes are HTML (facts: HubSpot §6)."""
MOST_NOTES = 4
"""How many notes a summary may fill where no field sets its length."""
SUMMARY_MAX_CHARS = 32_000
"""What the summary may have when no map says less: a classic Note's body (facts: Salesforce, Note)."""


def vocabulary(sources: Sources, problems: list[Problem]) -> Vocabulary:
    """What the rules may refer to, over all maps in use; fields whose type differs between maps are problems."""
    maps = tuple(sources.maps.values())
    types: dict[str, FieldType] = {}
    choices: dict[str, tuple[str, ...]] = {}
    first: dict[str, str] = {}
    for vendor in maps:
        for path, field in vendor.map.fields.items():
            if field.kind not in (Kind.DEAL, Kind.ACCOUNT):
                continue
            other = first.setdefault(path, vendor.file)
            if types.setdefault(path, field.type) != field.type:
                message = f'is "{field.type}" here and "{types[path]}" in {other}; make them the same'
                problems.append(vendor.problem(path, message))
            if field.values:
                choices[path] = tuple(field.values)
    lacking = {path: tuple(vendor.file for vendor in maps if path not in vendor.map.fields) for path in types}
    return Vocabulary(
        types=types,
        choices=choices,
        lacking={path: files for path, files in lacking.items() if files},
        segments=segment_names(sources),
        tiers=tier_names(sources),
        extras=extra_names(sources),
        doubtful=sources.doubtful,
        unreadable=sources.unreadable,
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """process.toml, built."""

    segments: tuple[Segment, ...]
    gate: GatePolicy
    override: OverridePolicy
    assignment: AssignmentPolicy
    calendar: Calendar
    notify: NotifyPolicy
    targets: Targets
    rewin_window: timedelta
    escalation: Escalation
    calendars: tuple[TeamCalendar, ...]
    sales_for: timedelta
    red_flags: RedFlags
    commitments: CommitmentPolicy | None
    acceptance: AcceptancePolicy | None = None
    review: ReviewPolicy | None = None
    tiers: tuple[Tier, ...] = ()
    prefills: tuple[Prefill, ...] = ()
    governance: GovernancePolicy | None = None
    pilot: Pilot = NO_PILOT


def rules(
    spec: ProcessSpec,
    *,
    scope: Scope,
    notices: Mapping[str, str],
    vendors: Collection[str] = (),
    texts: Mapping[str, str] | None = None,
) -> Rules:
    """What process.toml describes, for the CRMs in use; what is wrong with it is noted in the scope. ``texts`` are the
    templates of single tasks."""
    calendar = calendars.calendar(spec.calendar, at=("calendar",), scope=scope)
    day = calendars.hours_a_day(calendar)
    level = spec.notify.level
    return Rules(
        segments=_segments(spec, scope=scope),
        gate=_gate(spec.gate, scope=scope),
        override=OverridePolicy(spec.override.approvers, spec.override.min_reason_chars, spec.override.max_days),
        assignment=assignment(spec.assignment, scope=scope, day=day),
        calendar=calendar,
        notify=NotifyPolicy(
            frozenset(spec.notify.moments),
            notices,
            essential=level == ESSENTIAL,
            digest=level == DIGEST,
            any_hour=spec.notify.any_hour,
            changes_after=timedelta(minutes=spec.notify.changes_after_minutes),
            quiet=calendars.quiet(spec.notify.quiet, at=("notify", "quiet"), scope=scope),
        ),
        targets=Targets(**spec.targets.model_dump()),
        rewin_window=timedelta(days=spec.handoff.rewin_window_days),
        escalation=escalation(spec.escalation, scope=scope, day=day, vendors=vendors),
        calendars=calendars.of_teams(spec.calendars, pools=[pool.name for pool in spec.assignment.pools], scope=scope),
        sales_for=timedelta(seconds=int(spec.handoff.sales_hours * 3600)),
        red_flags=red_flags(spec.red_flags, scope=scope, day=day, escalation=spec.escalation, vendors=vendors),
        commitments=commitments(spec.commitments, scope=scope, day=day, ladder=bool(spec.escalation.ladder)),
        acceptance=closing.acceptance(spec.acceptance, scope=scope, day=day, texts=texts or {}),
        review=closing.review(spec.review, scope=scope, day=day, texts=texts or {}),
        tiers=_tiers(spec, scope=scope),
        prefills=prefills(spec.prefill, scope=scope),
        governance=governance(spec.governance, scope=scope, day=day, targets=spec.targets),
        pilot=pilot(spec.pilot, pools=[pool.name for pool in spec.assignment.pools], scope=scope),
    )


@dataclass(frozen=True, slots=True)
class Book:
    """playbook.toml, built."""

    playbooks: tuple[Playbook, ...]
    summary: SummaryPolicy


def around(rules: Rules | None, vendors: Collection[str]) -> Around:
    """What process.toml says around the playbooks; with mistakes in it nothing is held against them."""
    if rules is None:
        return Around()
    return Around(
        day=calendars.hours_a_day(rules.calendar),
        ladder=bool(rules.escalation.ladder),
        essential=rules.notify.essential,
        unmanaged=unmanaged(vendors, rules.escalation.managers),
        sponsor=bool(rules.escalation.sponsor),
    )


def more_playbooks(files: Iterable[tuple[PlaybooksFileSpec, Scope]], ground: Ground) -> tuple[Playbook, ...]:
    """The playbooks of further files, in the order in which process.toml names them; no name comes twice."""
    found: list[Playbook] = []
    for spec, scope in files:
        for index, one in enumerate(playbooks(spec.playbooks, scope=scope, ground=ground)):
            if any(one.name == other.name for other in found):
                scope.complain(("playbooks", index, "name"), f"{one.name!r} stands in another file too; rename one")
            elif not one.adds and (wide := _taken(one, found)) is not None:
                message = f"can never be reached: {wide.name!r} of a file named before takes every deal it names"
                scope.complain(("playbooks", index), message)
            for problem in _clashes(one, found):
                scope.complain(("playbooks", index), problem)
            found.append(one)
    return tuple(found)


def _taken(one: Playbook, before: Iterable[Playbook]) -> Playbook | None:
    """The playbook of an earlier file that takes every deal of this one."""
    return next((other for other in before if not other.adds and covers(other.when, one.when)), None)


def _clashes(one: Playbook, others: Iterable[Playbook]) -> Iterator[str]:
    """Steps of one added playbook that another added one has as well, where a deal may get both. (What the deal's own
    playbook has is not added again: there it is plain whose stands.)"""
    steps = {task.step for task in one.tasks}
    for other in others:
        if not (one.adds and other.adds) or impossible(Condition((*one.when.tests, *other.when.tests))):
            continue
        if both := sorted(steps & {task.step for task in other.tasks}):
            yield (
                f"{other.name!r} has {', '.join(both)} as well, and both are added to the same deals; "
                "rename what is the same in both"
            )


def book(
    spec: PlaybookFileSpec, *, scope: Scope, ground: Ground, template: str, before: tuple[Playbook, ...] = ()
) -> Book:
    """What playbook.toml describes, behind the playbooks ``before`` it. Problems go to the scope."""
    own = playbooks(spec.playbooks, scope=scope, ground=ground)
    for index, one in enumerate(own):
        if any(one.name == other.name for other in before):
            scope.complain(("playbooks", index, "name"), f"{one.name!r} stands in another file too; rename one")
        for problem in _clashes(one, (*before, *own[:index])):
            scope.complain(("playbooks", index), problem)
    return Book(
        playbooks=(*before, *own),
        summary=_summary(spec.summary, template=template, scope=scope),
    )


def policy(
    rules: Rules,
    book: Book,
    vendor: VendorMap,
    quality: QualityPolicy = NO_QUALITY,
    product: ProductPolicy | None = None,
) -> Policy:
    """One system's policy: the common rules with that CRM's fields, fallback stages and limits."""
    fields = {
        path: FieldRule(path, field.label, field.type, field.owner)
        for path, field in vendor.map.fields.items()
        if field.kind in (Kind.DEAL, Kind.ACCOUNT)
    }
    made = Policy(
        version="",
        fields=fields,
        segments=rules.segments,
        gate=dataclasses.replace(rules.gate, revert_to=vendor.revert_to),
        override=rules.override,
        assignment=rules.assignment,
        calendar=rules.calendar,
        playbooks=book.playbooks,
        summary=_kept_in(vendor.map, book.summary),
        notify=dataclasses.replace(rules.notify, in_crm=_ways(vendor.map)),
        teams=vendor.map.teams,
        meetings=MeetingPolicy(held_when_over=vendor.map.held_when_over, calendars=vendor.map.calendars),
        extras=_extras(book, vendor),
        targets=rules.targets,
        rewin_window=rules.rewin_window,
        escalation=rules.escalation,
        calendars=rules.calendars,
        quality=quality,
        before_close=vendor.before_close,
        sales_for=rules.sales_for,
        red_flags=rules.red_flags,
        commitments=rules.commitments,
        product=product,
        pre_assign=vendor.pre_assign,
        acceptance=rules.acceptance,
        review=rules.review,
        tiers=rules.tiers,
        prefills=rules.prefills,
        governance=rules.governance,
        pilot=rules.pilot,
    )
    return dataclasses.replace(made, version=digest(made))


def _kept_in(crm_map: CrmMap, summary: SummaryPolicy) -> SummaryPolicy:
    """The summary with the room that its field and its notes have. Without a field it may fill as many notes."""
    field, note = (crm_map.fields.get(path) for path in ("summary", "note.body"))
    in_note = (note.max_chars if note else 0) or SUMMARY_MAX_CHARS
    in_field = (field.max_chars if field else in_note * MOST_NOTES) or SUMMARY_MAX_CHARS
    markup = crm_map.vendor in NOTES_ARE_MARKUP
    return dataclasses.replace(summary, max_chars=in_field, note_chars=in_note, markup=markup)


def missing_for(book: Book, vendor: VendorMap) -> Iterator[Problem]:
    """What playbook.toml asks for that this CRM's mapping gives no place to."""
    steps = [task for playbook in book.playbooks for task in playbook.tasks]
    meeting = next((task.step for task in steps if task.draft), None)
    if meeting is not None and "meeting.key" not in vendor.map.fields:
        message = f"playbook.toml makes meetings (step {meeting!r}); map key, by which each is found again"
        yield vendor.source.problem(("fields", "meeting"), message, of_key=True)
    mapped = vendor.map.fields.get("task.queue")
    for name in dict.fromkeys(task.extras.queue for task in steps if task.extras.queue):
        if mapped is not None and name not in mapped.values:
            message = f'playbook.toml names the queue {name!r}; add it with its id, e.g. {name} = "123"'
            yield vendor.source.problem(("fields", "task", "queue", "values"), message, of_key=True)

    yield from _unsendable(steps, vendor)


def _unsendable(steps: Sequence[PlaybookTask], vendor: VendorMap) -> Iterator[Problem]:
    """Mails that go out by themselves to a role which nobody can have in this CRM."""
    roles = vendor.map.contacts
    for task in steps:
        send = task.mail.send if task.mail else None
        if send and send.role and roles is not None and send.role not in roles:
            message = f"playbook.toml sends a mail to the {send.role} (step {task.step!r}), which is no role here; "
            yield vendor.source.problem(("contacts",), message + did_you_mean(send.role, roles), of_key=True)


def _extras(book: Book, vendor: VendorMap) -> frozenset[str]:
    """What this CRM keeps that not every one does."""
    found = {path for path in EXTRAS if path in vendor.map.fields}
    sends = any(task.mail and task.mail.send for playbook in book.playbooks for task in playbook.tasks)
    return frozenset(found | ({"email.key"} if sends and vendor.map.vendor in MAILS_ARE_TASKS else set()))


def _ways(crm_map: CrmMap) -> tuple[str, ...]:
    return tuple(way for way, chosen in (("bell", crm_map.bell), ("mail", crm_map.mail)) if chosen)


def digest(made: Policy) -> str:
    """A short name of a policy's content: equal for equal content in every process."""
    plain = json.dumps(made, default=_plain, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:VERSION_CHARS]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    return sorted(str(item) for item in value) if isinstance(value, (set, frozenset)) else str(value)


def _segments(spec: ProcessSpec, *, scope: Scope) -> tuple[Segment, ...]:
    conditions = first_match(spec.segments, at=("segments",), scope=scope, barred="segment")
    if conditions and spec.segments[-1].when:
        scope.complain(
            ("segments", len(conditions) - 1, "when"),
            "the last segment must take the rest, or a deal without these fields has none; take its when out",
            of_key=True,
        )
    return tuple(Segment(one.name, when) for one, when in zip(spec.segments, conditions, strict=True))


def _tiers(spec: ProcessSpec, *, scope: Scope) -> tuple[Tier, ...]:
    conditions = first_match(spec.tiers, at=("tiers",), scope=scope, barred="tier")
    seconds = any(pool.second_from for pool in spec.assignment.pools)
    for index, one in enumerate(spec.tiers):
        if one.second_csm and not one.named_csm:
            message = "there is no second CSM before the close where there is no first; take named_csm = false out"
            scope.complain(("tiers", index, "second_csm"), message)
        elif one.second_csm and not seconds:
            message = "no pool says from whom second CSMs are taken; add second_from to one of [[assignment.pools]]"
            scope.complain(("tiers", index, "second_csm"), message)
    return tuple(
        Tier(one.name, when, one.named_csm, tuple(dict.fromkeys(one.extras)), one.second_csm)
        for one, when in zip(spec.tiers, conditions, strict=True)
    )


def _gate(spec: GateSpec, *, scope: Scope) -> GatePolicy:
    at: KeyPath = ("gate", "require")
    asked: dict[str, list[Condition]] = {}
    found: list[Requirement] = []
    for index, one in enumerate(spec.require):
        here = (*at, index)
        wrong = scope.words.complaint(one.field) or _not_for_reps(one.field)
        if wrong:
            scope.complain((*here, "field"), wrong)
        when = condition(one.when, at=(*here, "when"), scope=scope)
        if when is None:
            continue
        before = asked.setdefault(one.field, [])
        if taken_by([*before, when], len(before)) is not None:
            scope.complain(here, f"{one.field} is already required of these deals above; take one of the two out")
        before.append(when)
        found.append(Requirement(one.field, one.why, one.advice, when))
    exceptions = [_Unnamed(f"exception {n + 1}", one.when) for n, one in enumerate(spec.exceptions)]
    conditions = first_match(exceptions, at=("gate", "exceptions"), scope=scope)
    modes = tuple(GateModeRule(one.mode, when) for one, when in zip(spec.exceptions, conditions, strict=True))
    return GatePolicy(
        mode=spec.mode,
        exceptions=modes,
        requirements=tuple(found),
        fight_limit=spec.fight_limit,
        fight_window=timedelta(hours=spec.fight_hours),
    )


@dataclass(frozen=True, slots=True)
class _Unnamed:
    name: str
    when: When


def _not_for_reps(path: str) -> str | None:
    prefix, _, name = path.rpartition(".")
    known = KNOWN[Kind(prefix) if prefix else Kind.DEAL].get(name)
    if known and known.written:
        return "is written by the connector, so no rep can fill it; require another field"
    return None


def _summary(spec: SummarySpec, *, template: str, scope: Scope) -> SummaryPolicy:
    for index, section in enumerate(spec.sections):
        for n, field in enumerate(section.fields):
            wrong = None if field == CONTACTS else scope.words.complaint(field)
            if wrong:
                scope.complain(("summary", "sections", index, "fields", n), wrong)
    sections = tuple(SummarySection(one.title, tuple(one.fields)) for one in spec.sections)
    return SummaryPolicy(template=template, sections=sections, max_chars=SUMMARY_MAX_CHARS)
