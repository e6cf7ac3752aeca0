"""A CRM's mapping file as a `CrmMap`: names the connector needs are there, of the right kind, with the right owner.

Not here: whether the CRM has these fields (``check``); this knows the file alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import Problem
from connector.handoff.model import DealType, Kind
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.handoff.rulebook.people import Teams
from connector.policy.crmmap import CrmMap, MapFile, MappedField, path_of
from connector.policy.known import CHOICES, KNOWN, OPEN_KINDS, PREFILLED, WRITERS
from connector.policy.model.crm import CrmSpec, FieldSpec, TeamsSpec
from connector.settings.mistakes import closest, did_you_mean
from connector.settings.spans import KeyPath, Source

MAPPED_KINDS = tuple(kind for kind in Kind if kind is not Kind.MEMBER)
"""A place on a team has no fields of its own to map."""
NAMED_KINDS = tuple(kind for kind in MAPPED_KINDS if kind is not Kind.EMAIL)
"""Of these the mapping says in which object they are kept; where mails that were sent stand, the vendor alone knows."""

HAVE_TEAMS_AND_BELLS = frozenset({"salesforce"})


@dataclass(frozen=True, slots=True)
class VendorMap:
    """One vendor's map, its file, and by pipeline the stages a revert falls back to and those before the close."""

    file: str
    map: CrmMap
    revert_to: Mapping[str, str]
    source: Source
    before_close: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    pre_assign: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def problem(self, path: str, message: str) -> Problem:
        """A problem at a mapped field, by its canonical path."""
        field = self.map.fields[path]
        return self.source.problem(("fields", field.kind.value, field.name), message, of_key=True)


def mapping(spec: CrmSpec, *, of: MapFile, source: Source, problems: list[Problem]) -> VendorMap:
    """The map a file describes; what is wrong with it is added to ``problems``."""
    vendor = of.vendor
    fields: dict[str, MappedField] = {}
    for kind in MAPPED_KINDS:
        given: Mapping[str, FieldSpec] = getattr(spec.fields, kind.value)
        _judge_names(given, kind=kind, source=source, problems=problems)
        _judge_twice(given, kind=kind, source=source, problems=problems)
        for name, field in given.items():
            _judge(field, kind=kind, name=name, source=source, problems=problems)
            fields[path_of(kind, name)] = _mapped(field, kind=kind, name=name)
    revert_to, stages = spec.stages.revert_to, spec.stages
    return VendorMap(
        file=source.file,
        map=CrmMap(
            vendor=vendor,
            named=of.named,
            objects={kind: getattr(spec.objects, kind.value) for kind in NAMED_KINDS},
            fields=fields,
            deal_types=_deal_types(spec, source=source, problems=problems),
            other_deal_type=spec.deal_types.otherwise,
            pipelines=spec.stages.pipelines,
            held_when_over=spec.meetings.held_when_over,
            calendars=spec.meetings.calendars,
            contacts=_roles(spec, source=source, problems=problems),
            **_in_crm(spec, vendor=vendor, source=source, problems=problems),
        ),
        revert_to={"": revert_to} if isinstance(revert_to, str) else revert_to,
        source=source,
        before_close=_by_pipeline(stages.before_close),
        pre_assign=_by_pipeline(stages.pre_assign),
    )


def _by_pipeline(named: tuple[str, ...] | dict[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    """Stages by pipeline; a plain list holds for every one."""
    return {"": named} if isinstance(named, tuple) else named


def _in_crm(spec: CrmSpec, *, vendor: str, source: Source, problems: list[Problem]) -> dict[str, Any]:
    """Teams and the CRM's own notifications, where there are such things."""
    for name, given in (("teams", spec.teams), ("tell", spec.tell), ("people", spec.people)):
        if given is not None and vendor not in HAVE_TEAMS_AND_BELLS:
            message = f"{vendor} has nothing like it that the connector can use; take [{name}] out of this file"
            if name == "people":
                message += " and name absences in process.toml: [assignment] away, paused"
            problems.append(source.problem((name,), message, of_key=True))
    teams, tell = spec.teams, spec.tell
    return {
        "teams": _teams(teams) if teams else Teams(),
        "people": {name: field for name, field in spec.people.model_dump().items() if field} if spec.people else {},
        "team_access": {"deal": teams.deal_access, "account": teams.account_access} if teams else {},
        "bell": (tell.bell or "") if tell else "",
        "mail": tell.mail if tell else False,
    }


def _roles(spec: CrmSpec, *, source: Source, problems: list[Problem]) -> Mapping[str, tuple[str, ...]] | None:
    """The CRM's words by role; a word means one role only."""
    first: dict[str, str] = {}
    for role, words in (spec.contacts or {}).items():
        for index, word in enumerate(words):
            before = first.setdefault(word.strip().casefold(), role)
            if before != role:
                message = f"{word!r} is already under {before}; a role of the CRM can mean one thing only"
                problems.append(source.problem(("contacts", role, index), message))
    return spec.contacts


def _teams(spec: TeamsSpec) -> Teams:
    return Teams(
        deal=spec.deal or "",
        account=spec.account or "",
        deal_second=spec.deal_second or "",
        account_second=spec.account_second or "",
    )


def _mapped(spec: FieldSpec, *, kind: Kind, name: str) -> MappedField:
    return MappedField(
        path=path_of(kind, name),
        kind=kind,
        field=spec.field,
        type=spec.type,
        owner=spec.owner,
        label=spec.label or name.replace("_", " ").capitalize(),
        values=spec.values,
        max_chars=spec.max_chars or 0,
    )


def _judge_names(given: Mapping[str, FieldSpec], *, kind: Kind, source: Source, problems: list[Problem]) -> None:
    at: KeyPath = ("fields", kind.value)
    if not given and kind not in (Kind.DEAL, Kind.TASK):
        return
    strangers = [name for name in given if name not in KNOWN[kind]] if kind not in OPEN_KINDS else []
    meant = {near for name in strangers for near in closest(name, KNOWN[kind])}
    for name, known in KNOWN[kind].items():
        if known.required and name not in given and name not in meant:
            message = "is required: the connector cannot work without it; map it to a field of the CRM"
            problems.append(source.problem((*at, name), message, of_key=True))
    for name in strangers:
        message = f"a {kind.value} has no such field here; {did_you_mean(name, KNOWN[kind])}"
        problems.append(source.problem((*at, name), message, of_key=True))


def _judge_twice(given: Mapping[str, FieldSpec], *, kind: Kind, source: Source, problems: list[Problem]) -> None:
    first: dict[str, str] = {}
    for name, field in given.items():
        other = first.setdefault(field.field, name)
        if other != name:
            message = f"{field.field} is already mapped as {other}; give each field one name"
            problems.append(source.problem(("fields", kind.value, name, "field"), message))


def _judge(spec: FieldSpec, *, kind: Kind, name: str, source: Source, problems: list[Problem]) -> None:
    at: KeyPath = ("fields", kind.value, name)
    known = KNOWN[kind].get(name)
    if known is None:
        if kind in OPEN_KINDS and spec.owner in WRITERS and not (kind is Kind.DEAL and spec.owner in PREFILLED):
            written = [name for name, other in KNOWN[kind].items() if other.written]
            message = (
                f'the connector writes no field of this name; set owner = "human", or {did_you_mean(name, written)}'
            )
            problems.append(source.problem((*at, "owner"), message))
    else:
        if spec.type not in known.types:
            wanted = " or ".join(f'"{kind_.value}"' for kind_ in known.types)
            problems.append(source.problem((*at, "type"), f'must be {wanted}, not "{spec.type}"'))
        if spec.owner in WRITERS and not known.written:
            message = f'the connector never writes this field; set owner = "{FieldOwner.HUMAN}"'
            problems.append(source.problem((*at, "owner"), message))
    allowed = CHOICES.get(path_of(kind, name))
    for choice in spec.values:
        if spec.type not in (FieldType.CHOICE, FieldType.BOOL):
            problems.append(source.problem((*at, "values"), "only a choice has values; take this out", of_key=True))
            break
        if allowed and choice not in allowed:
            message = f"the connector writes no such value; {did_you_mean(choice, allowed)}"
            problems.append(source.problem((*at, "values", choice), message, of_key=True))


def _deal_types(spec: CrmSpec, *, source: Source, problems: list[Problem]) -> dict[str, DealType]:
    found: dict[str, DealType] = {}
    for kind in DealType:
        for index, value in enumerate(getattr(spec.deal_types, kind.value)):
            before = found.setdefault(value, kind)
            if before is not kind:
                message = f"{value!r} is already under {before}; a deal type can mean one thing only"
                problems.append(source.problem(("deal_types", kind.value, index), message))
    return found
