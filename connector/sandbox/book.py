"""The seller's book of business as plain data: accounts, contacts and deals, from a seed.

`build()` is a pure function of its arguments: the same seed, day and size give the same book, in
canonical words. Nothing here knows a CRM or writes anywhere; `seed.py` does that.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from connector.sandbox import agreed, people
from connector.sandbox.agreed import DealType
from connector.sandbox.answers import Cast, answers
from connector.sandbox.stories import STORIES

Phase = Literal["lead", "qualified", "demo", "proposal", "negotiation", "won", "lost"]
OPEN_PHASES: tuple[Phase, ...] = ("lead", "qualified", "demo", "proposal", "negotiation")

PRODUCTS: tuple[str, ...] = ("Relay Desk", "Relay Flow", "Relay Insight", "Relay Desk Enterprise")

# Countries with their share of the book and the web suffix of a company there.
_COUNTRIES: dict[str, str] = {
    "Germany": "de", "United Kingdom": "co.uk", "France": "fr", "Netherlands": "nl", "Sweden": "se",
    "Spain": "es", "Italy": "it", "Poland": "pl", "United States": "com", "Canada": "ca", "Brazil": "com.br",
    "Japan": "co.jp", "Singapore": "sg", "Australia": "com.au", "India": "in",
}  # fmt: skip
_AMERICAS = frozenset({"United States", "Canada", "Brazil"})
_APAC = frozenset({"Japan", "Singapore", "Australia", "India"})

# First half of a company name, and per industry what the second half may be.
_FIRST = (
    "Alder", "Brightwater", "Calder", "Dovetail", "Eastgate", "Fernhill", "Granite Bay", "Halden", "Ironbridge",
    "Juniper", "Kestrel", "Larkfield", "Meridian", "Northolt", "Oakhaven", "Pinemoor", "Quayside", "Ridgeway",
    "Stonecross", "Thornbury", "Upland", "Valmont", "Westmark", "Yarrow", "Zephyr", "Ashgrove", "Birchwood",
    "Copperfield", "Delmare", "Elmstead", "Foxglove", "Glenmore", "Hollin", "Inverleigh", "Jasper", "Kingsway",
)  # fmt: skip
_SECOND: dict[str, tuple[str, ...]] = {
    "Manufacturing": ("Precision Parts", "Components", "Industrial", "Machine Works"),
    "Healthcare": ("Clinics", "Health Group", "Medical Centre", "Care"),
    "Software": ("Software", "Systems", "Labs", "Cloud"),
    "Retail": ("Stores", "Home & Living", "Outfitters", "Markets"),
    "Finance": ("Capital", "Mutual", "Leasing", "Savings Bank"),
    "Transportation": ("Logistics", "Freight", "Lines", "Couriers"),
    "Education": ("College", "University", "Academy", "Institute"),
    "Energy": ("Power", "Grid", "Renewables", "Utilities"),
    "Telecommunications": ("Telecom", "Networks", "Fibre", "Mobile"),
    "Hospitality": ("Hotels", "Resorts", "Hospitality", "Inns"),
}
_GIVEN = (
    "Anneke", "Bruno", "Carla", "Dmitri", "Esther", "Farid", "Greta", "Hiroshi", "Ines", "Joaquim", "Katrin", "Liam",
    "Mireille", "Nadia", "Olaf", "Paula", "Quentin", "Rosa", "Stefan", "Tamsin", "Ulrike", "Vikram", "Wanda", "Yusuf",
    "Zoe", "Adaeze", "Benoit", "Chiara", "Dorota", "Emeka",
)  # fmt: skip
_FAMILY = (
    "Albrecht", "Barros", "Castell", "Dufour", "Engstrom", "Farkas", "Gruber", "Hoang", "Ivarsson", "Jansen", "Kapoor",
    "Lombardi", "Moreau", "Nakamura", "O'Brien", "Petrov", "Quiroga", "Rasmussen", "Silva", "Tran", "Ueda", "Vargas",
    "Whitfield", "Xu", "Yildiz", "Zamora", "Ackerman", "Bianchi", "Chaudhry", "Drummond",
)  # fmt: skip

# The customers the seller already serves, and so the accounts that hold a CSM.
_SHARE_WITH_CSM = 0.4
ACCOUNTS_IN_BOOK = 60
# The three people whom the book knows at each customer, in the order in which they are written.
CONTACT_PARTS = ("champion", "economic buyer", "technical admin")
DEFAULT_DEALS = 120


@dataclass(frozen=True, slots=True)
class ContactPlan:
    """A person at the customer; `part` is their part in the purchase."""

    first: str
    last: str
    title: str
    email: str
    part: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


@dataclass(frozen=True, slots=True)
class AccountPlan:
    """A customer or prospect; `csm` is the e-mail of the CSM who holds it, or empty."""

    key: str
    name: str
    industry: str
    country: str
    employees: int
    domain: str
    csm: str
    contacts: tuple[ContactPlan, ...]

    @property
    def region(self) -> str:
        if self.country in _AMERICAS:
            return "Americas"
        return "APAC" if self.country in _APAC else "EMEA"


@dataclass(frozen=True, slots=True)
class DealPlan:
    """One deal in canonical words. `age_days` and `close_in_days` count from the day of the book."""

    key: str
    name: str
    account: str
    phase: Phase
    amount: float | None
    deal_type: DealType
    product: str
    owner: str
    age_days: int
    close_in_days: int
    next_step: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Book:
    """Everything `seed.fill` writes, in the order in which it writes it."""

    accounts: tuple[AccountPlan, ...]
    deals: tuple[DealPlan, ...]


def build(*, seed: int, today: date, deals: int = DEFAULT_DEALS, accounts: int = ACCOUNTS_IN_BOOK) -> Book:
    """The book for `seed` as of `today`: `accounts` customers and `deals` deals in every phase."""
    rng = random.Random(f"book:{seed}")
    companies = tuple(account_plans(rng, accounts))
    return Book(companies, tuple(_deals(rng, companies, today=today, count=deals)))


def account_plans(rng: random.Random, count: int, *, start: int = 0, held: bool = True) -> Iterator[AccountPlan]:
    """`count` accounts with distinct names; `held=False` gives prospects nobody looks after yet."""
    csms = [p.email for p in people.with_role(people.CSM)]
    names = company_names(rng)
    for number, (name, industry) in zip(range(start, start + count), names, strict=False):
        country = rng.choice(list(_COUNTRIES))
        slug = "".join(ch for ch in name.lower() if ch.isalnum())
        domain = f"{slug}.example"
        csm = rng.choice(csms) if held and rng.random() < _SHARE_WITH_CSM else ""
        staff = int(round(10 ** rng.uniform(1.6, 4.3), -1))
        contacts = tuple(_contacts(rng, industry, domain))
        yield AccountPlan(f"A{number:04d}", name, industry, country, staff, domain, csm, contacts)


def company_names(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Endless distinct (company name, industry) pairs; a number is added once all pairs are used."""
    pairs = [(f"{one} {two}", industry) for one in _FIRST for industry, ends in _SECOND.items() for two in ends]
    rng.shuffle(pairs)
    yield from pairs
    more = 2
    while True:
        yield from ((f"{name} {more}", industry) for name, industry in pairs)
        more += 1


def deal_plan(
    rng: random.Random, account: AccountPlan | None, *, key: str, today: date, phase: Phase, deal_type: DealType,
    complete: bool, amount: float | None = None,
) -> DealPlan:  # fmt: skip
    """One deal; `complete` decides whether its handoff fields satisfy the shipped policy."""
    amount = amount if amount is not None else _amount(rng)
    owner = _owner(rng, account)
    product = PRODUCTS[3] if amount >= agreed.ENTERPRISE_FROM else rng.choice(PRODUCTS[:3])
    closes = rng.randint(3, 75) if phase in OPEN_PHASES else -rng.randint(20, 240)
    age = rng.randint(15, 120) + max(0, -closes)
    home = account or next(account_plans(rng, 1, held=False))
    cast = Cast.pick(rng, home, today=today)
    texts = answers(rng, cast, deal_type=deal_type, amount=amount)
    fields = texts if complete else _with_gaps(rng, texts, amount=amount, deal_type=deal_type, phase=phase)
    what = {"new": product, "renewal": f"{product} renewal", "upsell": f"{product} expansion"}[deal_type]
    next_step = _NEXT_STEP[phase].format(champion=cast.champion.name)
    return DealPlan(
        key, f"{home.name} – {what}", account.key if account else "", phase, amount, deal_type, product, owner, age,
        closes, next_step, fields,
    )  # fmt: skip


_NEXT_STEP: dict[Phase, str] = {
    "lead": "First call with {champion}",
    "qualified": "Discovery workshop with {champion}'s team",
    "demo": "Tailored demo, {champion} invites the team leads",
    "proposal": "Walk {champion} through the proposal",
    "negotiation": "Redlines back from legal; {champion} chases signature",
    "won": "Signed",
    "lost": "Ask again in two quarters",
}
# How many of 120 deals stand in each phase.
_MIX: tuple[tuple[Phase, int], ...] = (
    ("lead", 14), ("qualified", 16), ("demo", 18), ("proposal", 20), ("negotiation", 24), ("won", 18), ("lost", 10),
)  # fmt: skip
_READY_SHARE: dict[Phase, float] = {"proposal": 0.35, "negotiation": 0.6, "won": 0.7}


def _deals(rng: random.Random, accounts: tuple[AccountPlan, ...], *, today: date, count: int) -> Iterator[DealPlan]:
    total = sum(weight for _, weight in _MIX)
    phases = [phase for phase, weight in _MIX for _ in range(max(1, round(weight * count / total)))]
    while len(phases) < count:
        phases.append("negotiation")
    customers = [a for a in accounts if a.csm] or list(accounts)
    for number, phase in enumerate(phases[:count]):
        deal_type: DealType = rng.choices(("new", "renewal", "upsell"), weights=(70, 16, 14))[0]
        account: AccountPlan | None = rng.choice(customers if deal_type != "new" or phase == "won" else accounts)
        if phase == "negotiation" and phases.index(phase) == number:
            account, deal_type = None, "new"  # the one deal of the book that nobody linked to a company
        complete = rng.random() < _READY_SHARE.get(phase, 0.0)
        yield deal_plan(
            rng, account, key=f"D{number:04d}", today=today, phase=phase, deal_type=deal_type, complete=complete
        )


def _amount(rng: random.Random) -> float:
    low, high = rng.choices(((2_400, 11_800), (12_000, 58_000), (61_000, 240_000)), weights=(42, 37, 21))[0]
    return float(round(rng.uniform(low, high), -2))


def _owner(rng: random.Random, account: AccountPlan | None) -> str:
    sellers = people.with_role(people.AE)
    local = [p.email for p in sellers if account is None or p.region == account.region]
    return rng.choice(local or [p.email for p in sellers])


def _contacts(rng: random.Random, industry: str, domain: str) -> Iterator[ContactPlan]:
    story = rng.choice(STORIES[industry])
    parts = zip((story.champion_title, story.buyer_title, "IT Administrator"), CONTACT_PARTS, strict=True)
    used: set[str] = set()
    for title, part in parts:
        first = rng.choice([g for g in _GIVEN if g not in used])
        last = rng.choice(_FAMILY)
        used.add(first)
        local = f"{first}.{last}".lower().replace("'", "")
        yield ContactPlan(first, last, title, f"{local}@{domain}", part)


def _with_gaps(
    rng: random.Random, texts: dict[str, Any], *, amount: float, deal_type: DealType, phase: Phase
) -> dict[str, Any]:
    """What a rep has written so far: little early on, all but one to three answers at the end."""
    needed = agreed.required(amount=amount, deal_type=deal_type)
    if phase in ("lead", "qualified"):
        return {}
    if phase == "demo":
        return {name: text for name, text in texts.items() if name in ("why_bought", "champion")}
    missing = set(rng.sample(needed, k=min(len(needed), rng.randint(1, 3))))
    return {name: text for name, text in texts.items() if name not in missing}
