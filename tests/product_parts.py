"""Product policies, counts and account fields for tests of milestones and stuck signals.

Not here: any expectation. ``tallies("login", day(1), day(2))`` counts one login at each of these moments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from factories import WON_AT, a_policy

from connector.handoff.counted import ProductFacts, Sort, Tally
from connector.handoff.productbook import By, Identity, Measure, Milestone, Need, ProductPolicy, Stuck
from connector.handoff.rulebook.fields import FieldOwner, FieldRule, FieldType
from connector.handoff.rulebook.policy import Policy

ACCOUNT_FIELDS = {
    "account.activation": FieldType.TEXT,
    "account.activated_on": FieldType.DATE,
    "account.milestones": FieldType.TEXT,
    "account.onboarding_stage": FieldType.TEXT,
    "account.go_live_date": FieldType.DATE,
}
HUMAN_FIELDS = {"account.website": FieldType.TEXT, "account.product_id": FieldType.TEXT}

BODY = "Stuck on {{ thing }} since {{ stuck_since }}. {{ minutes }} minutes:\n{{ offers }}"


def a_signal(name: str, **changes: Any) -> Stuck:
    plain = Stuck(name=name, subject="Help with {{ thing }}: {{ account }}", body=BODY, thing="something")
    return dataclasses.replace(plain, **changes)


NO_LOGIN = a_signal("no-login", missing="login", after=timedelta(hours=48), thing="the first login")
UNFINISHED = a_signal(
    "integration-unfinished", seen=Need("begun"), missing="connected", after=timedelta(hours=24), thing="an integration"
)
NO_DATA = a_signal(
    "no-data", seen=Need("login", 3), missing="data", after=timedelta(hours=24), thing="their first data"
)
HELP = a_signal("help-docs", seen=Need("help"), in_session=6, moved_on=("workflow", "data"), thing="the help pages")
FOUR = (NO_LOGIN, UNFINISHED, NO_DATA, HELP)


def a_product(**changes: Any) -> ProductPolicy:
    """Six measures, the milestones of day 7 and of activation, the four stuck signals."""
    plain = ProductPolicy(
        identities=(
            Identity("group_id", By.FIELD, "account.product_id"),
            Identity("user_id", By.DOMAIN, "account.website"),
        ),
        measures=(
            Measure("login", ("Signed In",)),
            Measure("begun", ("Source Begun",), distinct="source"),
            Measure("connected", ("Source Connected",), distinct="source"),
            Measure("data", ("Data Imported",)),
            Measure("workflow", ("Workflow Done",)),
            Measure("help", ("Docs Opened",), distinct="article", session="session"),
        ),
        milestones=(
            Milestone("first_week", (Need("login", 3), Need("workflow")), onboarding="First value"),
            Milestone(
                "connected_three",
                (Need("connected", 3),),
                says="{n} of {of} connected",
                activation=True,
                onboarding="Live",
            ),
        ),
        stuck=FOUR,
        begun="Set-up",
    )
    return dataclasses.replace(plain, **changes)


def a_product_policy(*, product: ProductPolicy | None = None, **changes: Any) -> Policy:
    """The usual policy with a product, and the account's fields for it mapped."""
    owners = {**dict.fromkeys(ACCOUNT_FIELDS, FieldOwner.DAEMON), **dict.fromkeys(HUMAN_FIELDS, FieldOwner.HUMAN)}
    fields = {
        path: FieldRule(path, path.partition(".")[2].replace("_", " ").capitalize(), kind, owners[path])
        for path, kind in (ACCOUNT_FIELDS | HUMAN_FIELDS).items()
    }
    plain = a_policy()
    return dataclasses.replace(plain, fields={**plain.fields, **fields}, product=product or a_product(), **changes)


def shown(**values: Any) -> dict[str, Any]:
    """An account whose new fields can be read, with some of them filled."""
    empty = dict.fromkeys(path.partition(".")[2] for path in ACCOUNT_FIELDS | HUMAN_FIELDS)
    return {**empty, "product_id": "acme-42", **values}


def after(days: float = 0, *, hours: float = 0) -> datetime:
    """A moment so long after the win."""
    return WON_AT + timedelta(days=days, hours=hours)


def at(measure: str, *moments: datetime, part: str = "", sort: Sort | None = None) -> tuple[Tally, ...]:
    """One event at each moment."""
    sort = sort or (Sort.VALUE if part else Sort.EVENTS)
    days: dict[Any, list[datetime]] = {}
    for one in sorted(moments):
        days.setdefault(one.date(), []).append(one)
    return tuple(Tally(measure, sort, part, day, len(each), each[0], each[-1]) for day, each in days.items())


def facts(now: datetime, *tallies: Iterable[Tally], **changes: Any) -> ProductFacts:
    """What was counted, of an account whose name is known, in a product that is heard of to this day."""
    by: dict[str, list[Tally]] = {}
    for one in (tally for each in tallies for tally in each):
        by.setdefault(one.measure, []).append(one)
    counted: Mapping[str, tuple[Tally, ...]] = {name: tuple(found) for name, found in by.items()}
    plain = ProductFacts(since=WON_AT - timedelta(days=30), heard_at=now, tallies=counted, named=True)
    return dataclasses.replace(plain, **changes)
