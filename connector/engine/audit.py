"""Reading the last won deals of one CRM for an audit: no ledger, no field of ours, nothing written.

Not here: what is concluded (``handoff.audit``), which fields are meant (``policy.suggest``) and the report
(``cli.audit_paper``). In few calls: the deals with what hangs on them as a pass reads them, then once more all fields
that may be meant, which costs one call for deals and one for accounts.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from connector.crm.port import CRM, DealFacts, ObjectSchema
from connector.errors import RowUnread
from connector.handoff.audit import Audited, audit, with_blanks
from connector.handoff.model import HandoffKey, Kind, LedgerFacts, Person, Record, Snapshot, SystemName, Value
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap, path_of
from connector.policy.suggest import Fills, Suggestion, candidates, suggest, wanted

AT_ONCE = 1000
"""Deals read together: six of the eight questions that HubSpot is asked per hundred serve so many."""

MOST_FIELDS = 400
"""Fields of one object that are looked into; those least like anything of ours are left out first."""

LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
"""Every win counts."""

Told = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The deals read, and what was found of the CRM's fields. ``unlooked`` counts fields left out for their number.

    ``absent`` are the map's fields on deals and accounts that the CRM does not have or does not show, by our names.
    ``unread`` are the ids of deals that the CRM would not give.
    """

    facts: tuple[DealFacts, ...]
    people: Mapping[str, Person]
    schemas: Mapping[Kind, ObjectSchema]
    suggestions: tuple[Suggestion, ...]
    texts: Mapping[Kind, Mapping[str, Mapping[str, str]]]
    absent: frozenset[str] = frozenset()
    unlooked: int = 0
    unread: tuple[str, ...] = ()

    @property
    def likely(self) -> Mapping[str, Suggestion]:
        """The guesses that are sure enough to count with, by our names."""
        return {each.path: each for each in self.suggestions if each.is_likely}


def take(crm: CRM, crm_map: CrmMap, *, last: int, since: date | None, told: Told) -> Sample:
    """Read the last won deals. Raises `CrmError`."""
    told("logging in", 0, 1)
    schemas = crm.visit()
    there = {kind: schema.fields for kind, schema in schemas.items()}
    names = wanted(crm_map, absent_from=there)
    told("finding the last won deals", 0, 1)
    ids = crm.last_won(last, since=since)
    unread: set[str] = set()
    facts = tuple(_read(crm, ids, told, unread))
    people = {person.id: person for person in crm.people()} if facts else {}
    told("looking for fields under other names", 0, 1)
    wishes = {kind: candidates(schema.fields, crm_map, kind=kind, names=names) for kind, schema in schemas.items()}
    texts = {kind: _texts(crm, kind, fields[:MOST_FIELDS], facts) for kind, fields in wishes.items()}
    fills = {
        kind: Fills(len(found), Counter(name for row in found.values() for name in row))
        for kind, found in texts.items()
    }
    looked = {kind: {name: there[kind][name] for name in fields[:MOST_FIELDS]} for kind, fields in wishes.items()}
    return Sample(
        facts=facts,
        people=people,
        schemas=schemas,
        suggestions=suggest(names, looked, fills if facts else None),
        texts=texts,
        absent=absent(crm_map, schemas),
        unread=tuple(sorted(unread)),
        unlooked=sum(max(len(fields) - MOST_FIELDS, 0) for fields in wishes.values()),
    )


def absent(crm_map: CrmMap, schemas: Mapping[Kind, ObjectSchema]) -> frozenset[str]:
    """Our names on deals and accounts behind which the CRM shows no field."""
    return frozenset(
        mapped.path
        for kind, schema in schemas.items()
        for mapped in crm_map.of(kind)
        if "." not in mapped.field and mapped.field not in schema.fields
    )


def judge(sample: Sample, policy: Policy, *, system: str, now: datetime, with_guesses: bool) -> Audited:
    """The deals as the gate would have met them; ``with_guesses`` reads what is missing from the fields suggested."""
    likely = sample.likely if with_guesses else {}
    asked = [need.field for need in policy.gate.requirements]
    snapshots = [_snapshot(sample, facts, likely, asked, system=system, now=now) for facts in sample.facts]
    return audit(snapshots, policy, now)


def _read(crm: CRM, ids: Sequence[str], told: Told, unread: set[str]) -> Iterator[DealFacts]:
    for start in range(0, len(ids), AT_ONCE):
        told("reading deals and what hangs on them", start, len(ids))
        part = tuple(ids[start : start + AT_ONCE])
        found = _fetched(crm, part, unread)
        yield from (found[each] for each in part if each in found)


def _fetched(crm: CRM, ids: tuple[str, ...], unread: set[str]) -> Mapping[str, DealFacts]:
    """Deals by id; one that cannot be read is singled out, by the CRM's word or by halves, and the others are read."""
    if not ids:
        return {}
    try:
        return crm.fetch(ids)
    except RowUnread as error:
        named = {each for each in ids if each in error.ids or len(ids) == 1}
    unread |= named
    rest = tuple(each for each in ids if each not in named)
    parts = (rest,) if named else (rest[: len(rest) // 2], rest[len(rest) // 2 :])
    return {each: facts for part in parts for each, facts in _fetched(crm, part, unread).items()}


def _texts(crm: CRM, kind: Kind, fields: Sequence[str], facts: Sequence[DealFacts]) -> Mapping[str, Mapping[str, str]]:
    records = (each.deal if kind is Kind.DEAL else each.account for each in facts)
    ids = tuple(dict.fromkeys(record.ref.id for record in records if record is not None))
    return crm.texts(kind, ids, fields) if ids and fields else {}


def _snapshot(
    sample: Sample,
    facts: DealFacts,
    likely: Mapping[str, Suggestion],
    asked: Sequence[str],
    *,
    system: str,
    now: datetime,
) -> Snapshot:
    return Snapshot(
        key=HandoffKey(SystemName(system), facts.deal.ref.id),
        observed_at=now,
        deal=_filled(sample, facts.deal, likely, asked),
        stage=facts.stage,
        deal_type=facts.deal_type,
        ledger=LedgerFacts(baseline=LONG_AGO),
        account=_filled(sample, facts.account, likely, asked) if facts.account else None,
        won_at=facts.won_at,
        stage_before_win=facts.stage_before_win,
        people=sample.people,
        touches=facts.touches,
        contacts=facts.contacts,
    )


def _filled(sample: Sample, record: Record, likely: Mapping[str, Suggestion], asked: Sequence[str]) -> Record:
    """A record with what was asked for known, and what stands under other names beneath ours."""
    kind = record.ref.kind
    known = [path.rpartition(".")[2] for path in asked if path_of(kind, path.rpartition(".")[2]) == path]
    row = sample.texts.get(kind, {}).get(record.ref.id, {})
    told: dict[str, Value] = {
        path.rpartition(".")[2]: row.get(one.field) for path, one in likely.items() if one.kind is kind
    }
    whole = with_blanks(record, known)
    return dataclasses.replace(whole, values={**whole.values, **{name: text for name, text in told.items() if text}})
