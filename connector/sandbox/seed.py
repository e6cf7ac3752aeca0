"""Fills worlds with the people and the book of business, so that both CRMs tell the same story.

What is written comes from `people.py` and `book.py`; this module only decides in which order, by whom and
with which dates. Historic deals get their stages one after the other at their own dates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox import book, views
from connector.sandbox.book import CONTACT_PARTS, OPEN_PHASES, Book, DealPlan
from connector.sandbox.people import PEOPLE
from connector.sandbox.views import CrmView, at_moment

if TYPE_CHECKING:
    from connector.sandbox.state import World

# World settings: the instant up to which wins are history, and what the book was made from.
HISTORY_UNTIL = "history_until"
SEEDED = "seeded"
_REVOPS = "iris.novak@seller.example"


@dataclass(frozen=True, slots=True)
class Filled:
    """What one world got."""

    system: str
    accounts: int
    deals: int
    contacts: int


def people(worlds: Mapping[str, World]) -> None:
    """Give every world its users, each person once; people who are there already stay as they are."""
    for world in worlds.values():
        crm = views.view(world)
        known = {user.email for user in crm.users()}
        for number, person in enumerate(PEOPLE):
            if person.email not in known:
                crm.add_user(person, number=number)
        world.flush()


def fill(worlds: Mapping[str, World], seed: int, deals: int = book.DEFAULT_DEALS) -> list[Filled]:
    """Write the book of `seed` with `deals` deals into every world, as of the sandbox's clock.

    The same seed on the same day gives the same records. Users must be there (`people`).
    """
    people(worlds)
    return [_fill(world, seed=seed, deals=deals) for world in worlds.values()]


def _fill(world: World, *, seed: int, deals: int) -> Filled:
    now = world.clock.now()
    # Everything is dated from the day, not the minute, so that the same day gives the same records.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    plan = book.build(seed=seed, today=now.date(), deals=deals)
    with world.lock:
        crm = views.view(world)
        accounts = add_accounts(crm, plan, by=crm.user_named(_REVOPS).id, at=today - timedelta(days=400))
        for deal in plan.deals:
            add_deal(crm, deal, accounts, today=today)
        contacts = sum(len(a.contacts) for a in plan.accounts)
        world.setting(HISTORY_UNTIL, now.isoformat())
        world.setting(SEEDED, {"seed": seed, "deals": deals, "day": now.date().isoformat()})
        world.flush()
    return Filled(world.name, len(plan.accounts), len(plan.deals), contacts)


def add_accounts(crm: CrmView, plan: Book, *, by: str, at: datetime) -> dict[str, str]:
    """Write the accounts and their contacts; the result maps a plan's key to the record id."""
    ids: dict[str, str] = {}
    with at_moment(crm.world.clock, at):
        for account in plan.accounts:
            ids[account.key] = add_account(crm, account, by=by)
    return ids


def add_account(crm: CrmView, account: book.AccountPlan, *, by: str) -> str:
    """Write one account with its contacts and return its id."""
    values = {
        "name": account.name,
        "industry": account.industry,
        "country": account.country,
        "employees": account.employees,
        "website": account.domain,
        "csm": crm.user_named(account.csm).id if account.csm else None,
    }
    account_id = crm.add_account(values, by=by)
    for contact in account.contacts:
        crm.add_contact(account_id, asdict(contact), deal_id="", by=by)
    return account_id


def add_deal(crm: CrmView, deal: DealPlan, accounts: Mapping[str, str], *, today: datetime) -> str:
    """Write one deal at its age, walk it through the stages to its phase, and return its id."""
    owner = crm.user_named(deal.owner).id
    created = _workday(today - timedelta(days=deal.age_days))
    account = accounts.get(deal.account, "")
    close = (today + timedelta(days=deal.close_in_days)).date()
    values: dict[str, Any] = {
        "name": deal.name,
        "amount": deal.amount,
        "close_date": close,
        "owner": owner,
        "account": account or None,
        "product": deal.product,
        "next_step": deal.next_step,
    }
    walk = _walk(deal)
    with at_moment(crm.world.clock, created):
        deal_id = crm.add_deal(
            values, stage=crm.stage_of(walk[0], deal.deal_type).id, deal_type=deal.deal_type, by=owner
        )
        if account:
            add_roles(crm, deal_id, account, by=owner)
    last = today + timedelta(days=min(-1, deal.close_in_days))
    for step, phase in enumerate(walk[1:], start=1):
        moment = _workday(created + (last - created) * step / len(walk[1:]))
        with at_moment(crm.world.clock, min(moment, today)):
            _advance(crm, deal_id, deal, phase, by=owner)
    if deal.phase in OPEN_PHASES:
        return deal_id
    if deal.phase == "won":
        _hand_over_by_hand(crm, deal_id, account, by=owner, at=_workday(last) + timedelta(hours=5))
    return deal_id


def add_roles(crm: CrmView, deal_id: str, account_id: str, *, by: str) -> None:
    """Link the account's contacts with the deal; the book lists champion, economic buyer and admin in this order."""
    for contact, part in zip(crm.contacts_of(account_id), CONTACT_PARTS, strict=False):
        crm.link_contact(deal_id, contact.id, part=part, by=by)


def _advance(crm: CrmView, deal_id: str, deal: DealPlan, phase: book.Phase, *, by: str) -> None:
    stage = crm.stage_of(phase, deal.deal_type)
    if phase == deal.phase and deal.fields:
        crm.set_deal(deal_id, deal.fields, by=by)
    if crm.deal(deal_id).stage.id != stage.id:
        crm.move_deal(deal_id, stage.id, by=by)


def _walk(deal: DealPlan) -> tuple[book.Phase, ...]:
    if deal.phase in OPEN_PHASES:
        return OPEN_PHASES[: OPEN_PHASES.index(deal.phase) + 1]
    if deal.phase == "lost":
        return (*OPEN_PHASES[: 2 + int(deal.key[1:]) % 3], "lost")
    return (*OPEN_PHASES, "won")


def _hand_over_by_hand(crm: CrmView, deal_id: str, account_id: str, *, by: str, at: datetime) -> None:
    """What happened to a win before there was a connector: one note at most, and the CSM's first call."""
    csm = crm.account(account_id).csm if account_id else ""
    if not csm:
        return
    with at_moment(crm.world.clock, at):
        subject = f"Intro call, {crm.account(account_id).name}"
        crm.add_activity(deal_id, "call", subject=subject, body="Introduced by the AE.", at=at, minutes=20, by=csm)
        crm.add_task(deal_id, subject="Collect go-live date", due=at + timedelta(days=3), owner=csm, by=by)


def _workday(moment: datetime) -> datetime:
    """The moment within office hours of its day, or of the Friday before."""
    back = max(0, moment.weekday() - 4)
    day = (moment - timedelta(days=back)).date()
    return datetime(day.year, day.month, day.day, 8 + moment.minute % 9, moment.second, 17, tzinfo=UTC)
