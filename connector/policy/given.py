"""A deal that an admin describes in a test, as the snapshot the core decides on.

Not here: what is expected of it (``expected``). Nothing is read from a CRM: every person the policy names exists and is
active, an AE of our own owns the deal, every mapped field that is not named is empty. Whatever cannot be meant (a field
that is not mapped, a text where a number belongs) is a problem with its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connector.handoff.acting import Acting, Reach
from connector.handoff.model import (
    HandoffKey,
    Kind,
    LedgerFacts,
    Load,
    Person,
    Record,
    Ref,
    Snapshot,
    Stage,
    SystemName,
    Value,
)
from connector.handoff.rulebook.fields import FieldRule, FieldType
from connector.handoff.rulebook.policy import Policy
from connector.policy.check import named_people
from connector.policy.crmmap import CrmMap
from connector.policy.model.tests import BaseSpec, Given, TestSpec
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

AE = "ae@policy-test.example"
WON, OPEN, LOST = "won", "open", "lost"
WON_BY_DEFAULT = datetime(2026, 11, 3, 15, 0, tzinfo=UTC)
"""A Tuesday in working hours of most teams: a test that says nothing of time is not about time."""
AFTER = timedelta(minutes=1)
DEAL, ACCOUNT = Ref(Kind.DEAL, "deal"), Ref(Kind.ACCOUNT, "account")

WANTED: Mapping[FieldType, tuple[tuple[type, ...], str]] = {
    FieldType.NUMBER: ((Decimal,), "a number, without quotes"),
    FieldType.BOOL: ((bool,), "true or false, without quotes"),
    FieldType.DATE: ((date,), "a date such as 2026-12-24, without quotes"),
    FieldType.DATETIME: ((datetime,), "a time such as 2026-12-24T15:30:00, without quotes"),
}
"""What a value of a type is written as; of all other types as text in quotes."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A mistake in a test, with where it stands in the file."""

    at: KeyPath
    message: str


def snapshot(
    spec: TestSpec, base: BaseSpec, *, policy: Policy, crm_map: CrmMap, at: KeyPath
) -> tuple[Snapshot, datetime, tuple[Wrong, ...]]:
    """The deal as it would be read, the time at which it is looked at, and what is wrong with its description."""
    wrong: list[Wrong] = []
    zone = ZoneInfo(policy.calendar.tz)
    people = {email: _person(email) for email in dict.fromkeys((AE, *_emails(policy), *_people_in(spec, base, policy)))}
    deal: dict[str, Value] = {path: None for path in policy.fields if "." not in path}
    account: dict[str, Value] = {path.partition(".")[2]: None for path in policy.fields if path.startswith("account.")}
    deal |= {"owner": AE, "name": spec.name}
    account |= {"name": spec.name} if "name" in account else {}
    for prefix, values, target in (("", "deal", deal), ("account.", "account", account)):
        for where, given in ((("base",), getattr(base, values)), (at, getattr(spec, values))):
            for name, value in given.items():
                rule = policy.fields.get(f"{prefix}{name}")
                target[name] = _value(rule, f"{prefix}{name}", value, (*where, values, name), policy, wrong, zone)
    won_at = _moment(spec.won_at, zone) or WON_BY_DEFAULT
    now = _moment(spec.now, zone) or won_at + AFTER
    stage, wrong_stage = _stage(spec, crm_map, at)
    for email in spec.accounts_of:
        if email not in people:
            wrong.append(
                Wrong((*at, "accounts_of", email), f"is nobody the policy names; {did_you_mean(email, people)}")
            )
    made = Snapshot(
        key=HandoffKey(SystemName(crm_map.vendor), "deal"),
        observed_at=now,
        deal=Record(DEAL, deal),
        stage=stage,
        deal_type=spec.deal_type,
        ledger=LedgerFacts(baseline=won_at - timedelta(days=1)),
        account=Record(ACCOUNT, account),
        won_at=won_at if stage.is_won else None,
        stage_since=won_at,
        people=people,
        roster={email: Load(accounts=count) for email, count in spec.accounts_of.items()},
        acting=Acting(Reach.PILOT, dict.fromkeys(policy.pilot.groups)) if policy.pilot.groups else Acting(),
    )
    return made, now, (*wrong, *wrong_stage)


def _stage(spec: TestSpec, crm_map: CrmMap, at: KeyPath) -> tuple[Stage, tuple[Wrong, ...]]:
    pipeline = spec.pipeline or next(iter(crm_map.pipelines), "")
    wrong: tuple[Wrong, ...] = ()
    if spec.pipeline and crm_map.pipelines and spec.pipeline not in crm_map.pipelines:
        wrong = (Wrong((*at, "pipeline"), f"is not watched; {did_you_mean(spec.pipeline, crm_map.pipelines)}"),)
    match spec.stage:
        case "won":
            return Stage("won", "Closed Won", is_won=True, is_closed=True, pipeline=pipeline), wrong
        case "lost":
            return Stage("lost", "Closed Lost", is_won=False, is_closed=True, pipeline=pipeline), wrong
        case name:
            return Stage(name, name, is_won=False, is_closed=False, pipeline=pipeline), wrong


def _value(
    rule: FieldRule | None,
    path: str,
    value: Given,
    at: KeyPath,
    policy: Policy,
    wrong: list[Wrong],
    zone: ZoneInfo,
) -> Value:
    if rule is None:
        kind, _, _ = path.rpartition(".")
        known = [each for each in policy.fields if each.rpartition(".")[0] == kind]
        near = did_you_mean(path, known)
        wrong.append(Wrong(at, f"{path!r} is not a mapped field; {near}"))
        return None
    if value == "":
        return None
    wanted, words = WANTED.get(rule.type, ((str,), "a text in quotes"))
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        wrong.append(Wrong(at, f"must be {words}: {path} is a {rule.type.value.replace('_', ' ')}"))
        return None
    return _moment(value, zone) if isinstance(value, datetime) else _plain(rule, value)


def _plain(rule: FieldRule, value: Any) -> Value:
    return str(value).strip().lower() if rule.type is FieldType.PERSON else value


def _moment(value: datetime | None, zone: ZoneInfo) -> datetime | None:
    """A time as UTC; one without a zone is on the team's clock."""
    if value is None:
        return None
    return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)


def _emails(policy: Policy) -> Iterator[str]:
    yield from (email for _, email in named_people(policy))
    yield from policy.escalation.managers


def _people_in(spec: TestSpec, base: BaseSpec, policy: Policy) -> Iterator[str]:
    """Whom the test itself names in fields of persons: they exist, for a test that says so means it."""
    for prefix, values in (("", "deal"), ("account.", "account")):
        for given in (getattr(base, values), getattr(spec, values)):
            for name, value in given.items():
                rule = policy.fields.get(f"{prefix}{name}")
                if rule is not None and rule.type is FieldType.PERSON and isinstance(value, str) and value.strip():
                    yield value.strip().lower()


def _person(email: str) -> Person:
    name = email.partition("@")[0].replace(".", " ").title()
    return Person(id=email, email=email, name=name)
