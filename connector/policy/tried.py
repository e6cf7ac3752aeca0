"""The mapping tried against one live deal: each canonical name with the CRM's field, what it holds, what it becomes.

Not here: reading (the caller brings what the CRM described and holds), and what the rules say (``handoff``). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from connector.errors import Problem, UserError
from connector.handoff.model import Kind, Person, Record, Value
from connector.handoff.rulebook.fields import FieldOwner, FieldType
from connector.policy.check import FieldLike, SchemaLike
from connector.policy.crmmap import CrmMap, MappedField
from connector.policy.known import WRITERS
from connector.settings.mistakes import did_you_mean

KINDS = (Kind.DEAL, Kind.ACCOUNT)


@dataclass(frozen=True, slots=True)
class Line:
    """One mapped field of the deal. ``raw`` is what the CRM holds, ``becomes`` what the rules see of it, ``may`` what
    this login may do with it, ``trouble`` what is wrong, empty where nothing is."""

    path: str
    field: str
    label: str
    raw: str
    becomes: str
    may: str
    trouble: str


def lines(
    crm_map: CrmMap,
    *,
    schemas: Mapping[Kind, SchemaLike],
    raw: Mapping[Kind, Mapping[str, str]],
    records: Mapping[Kind, Record | None],
    people: Mapping[str, Person],
    found: Sequence[Problem],
    only: Sequence[str] = (),
) -> tuple[Line, ...]:
    """Every mapped field of deal and account, or only those named. ``found`` is what `check` says. Raises UserError
    for a name that is not mapped."""
    known = [path for path, mapped in crm_map.fields.items() if mapped.kind in KINDS]
    strange = [Problem("", name, f"is not mapped; {did_you_mean(name, known)}") for name in only if name not in known]
    if strange:
        raise UserError(strange)
    troubles: dict[str, list[str]] = {}
    for problem in found:
        troubles.setdefault(problem.key, []).append(problem.message)
    made = []
    for path in known:
        mapped = crm_map.fields[path]
        if only and path not in only:
            continue
        schema, record = schemas[mapped.kind], records.get(mapped.kind)
        actual = schema.fields.get(mapped.field)
        held = raw.get(mapped.kind, {}).get(mapped.field, "")
        value = record.get(mapped.name) if record is not None else None
        said = [
            *troubles.get(f"fields.{mapped.kind.value}.{mapped.name}", ()),
            *_value_trouble(mapped, held, value, people),
        ]
        made.append(
            Line(
                path=path,
                field=mapped.field,
                label=actual.label if actual is not None else "",
                raw=held,
                becomes=_shown(mapped, value, people),
                may=_may(mapped, actual),
                trouble="; ".join(dict.fromkeys(said)),
            )
        )
    return tuple(made)


def _may(mapped: MappedField, actual: FieldLike | None) -> str:
    """What this login may do with a field, beside who is to fill it by the mapping."""
    if actual is None:
        return "hidden or not there"
    if not actual.updateable and not actual.createable:
        return "read"
    writes = mapped.owner in WRITERS
    ours = " (kept by the connector)" if writes and mapped.owner is FieldOwner.DAEMON else ""
    return f"read, write{ours}"


def _value_trouble(mapped: MappedField, held: str, value: Value, people: Mapping[str, Person]) -> Iterator[str]:
    """What is wrong with this very value."""
    if mapped.type is FieldType.PERSON and held:
        person = people.get(str(value or held))
        if person is None:
            yield f"{held!r} is nobody this login knows, so rules see somebody without a name"
        elif not person.active:
            yield f"{person.name} is not active in the CRM"
        return
    if held.strip() and value is None:
        yield f"{held!r} cannot be read as a {mapped.type.value.replace('_', ' ')}, so rules see it as empty"
    if mapped.type is FieldType.CHOICE and held and mapped.values and held not in mapped.values.values():
        theirs = list(mapped.values.values())
        yield f"{held!r} is not among the values that are translated; {did_you_mean(held, theirs)}"


def _shown(mapped: MappedField, value: Value, people: Mapping[str, Person]) -> str:
    if value is None or value == "":
        return "(empty)"
    if mapped.type is FieldType.PERSON:
        person = people.get(str(value))
        return f"{person.name} <{person.email}>" if person else f"person {value}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
