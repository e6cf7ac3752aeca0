"""Reads the CRM sales data set (four CSV files) into clean rows, and says of every row what was repaired or refused.

Pure reading: it knows the blemishes of the files and no CRM. Writing the rows into a world is `load.py`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.sandbox.book import Phase

ACCOUNTS, PRODUCTS, TEAMS, PIPELINE = "accounts.csv", "products.csv", "sales_teams.csv", "sales_pipeline.csv"
_COLUMNS: dict[str, tuple[str, ...]] = {
    ACCOUNTS: ("account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of"),
    PRODUCTS: ("product", "sales_price"),
    TEAMS: ("sales_agent", "manager", "regional_office"),
    PIPELINE: (
        "opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value",
    ),
}  # fmt: skip
_PHASES: dict[str, Phase] = {"prospecting": "lead", "engaging": "demo", "won": "won", "lost": "lost"}
# Spellings the files are known for.
_SPELLING = {"technolgy": "technology", "philipines": "Philippines"}
_MILLION = 1_000_000


class DatasetError(ValueError):
    """A file or a column of the data set is missing; the message names every one."""


@dataclass(frozen=True, slots=True)
class RowNote:
    """What was noticed in one row. `row` is the line of the file, the header being line 1."""

    file: str
    row: int
    record: str
    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account; `revenue` in full units, `parent` the name of the account it belongs to."""

    name: str
    industry: str
    country: str
    employees: int | None
    revenue: float | None
    founded: str
    parent: str


@dataclass(frozen=True, slots=True)
class AgentRow:
    """A sales agent or, without a manager, a sales manager."""

    name: str
    manager: str
    region: str


@dataclass(frozen=True, slots=True)
class DealRow:
    """An opportunity. Dates have no times in the files; `account` is empty where the file names none."""

    key: str
    agent: str
    product: str
    account: str
    phase: Phase
    engaged: date | None
    closed: date | None
    amount: float | None


@dataclass(slots=True)
class Dataset:
    """Everything read: clean rows, and notes on rows that were repaired, are incomplete, or cannot be used."""

    rows: int = 0
    accounts: list[AccountRow] = field(default_factory=list)
    agents: list[AgentRow] = field(default_factory=list)
    deals: list[DealRow] = field(default_factory=list)
    repaired: list[RowNote] = field(default_factory=list)
    incomplete: list[RowNote] = field(default_factory=list)
    refused: list[RowNote] = field(default_factory=list)


def read(folder: Path) -> Dataset:
    """Read the folder. Raises DatasetError when a file or column is missing."""
    files = _open(folder)
    found = Dataset()
    prices = _products(files[PRODUCTS], found)
    _accounts(files[ACCOUNTS], found)
    _agents(files[TEAMS], found)
    _deals(files[PIPELINE], found, prices)
    return found


def _open(folder: Path) -> dict[str, list[dict[str, str]]]:
    problems: list[str] = []
    files: dict[str, list[dict[str, str]]] = {}
    for name, columns in _COLUMNS.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{path} is missing")
            continue
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [column for column in columns if column not in (reader.fieldnames or ())]
            problems += [f"{path} has no column {column!r}" for column in absent]
            files[name] = [] if absent else [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    if problems:
        raise DatasetError("; ".join(problems))
    return files


def _numbered(rows: list[dict[str, str]]) -> Iterator[tuple[int, dict[str, str]]]:
    return enumerate(rows, start=2)


def _products(rows: list[dict[str, str]], found: Dataset) -> dict[str, float | None]:
    prices: dict[str, float | None] = {}
    for number, row in _numbered(rows):
        note = _noter(PRODUCTS, number, row["product"])
        try:
            prices[row["product"]] = _number(row["sales_price"])
        except ValueError:
            prices[row["product"]] = None
            found.incomplete.append(note("price", f"the price {row['sales_price']!r} is not a number; none is used"))
    return prices


def _accounts(rows: list[dict[str, str]], found: Dataset) -> None:
    seen: set[str] = set()
    for number, row in _numbered(rows):
        name = row["account"]
        note = _noter(ACCOUNTS, number, name)
        if not name or name in seen:
            found.refused.append(
                note("account", "the row names no account" if not name else "the account is listed twice")
            )
            continue
        seen.add(name)
        sector, country = (_spelled(row[c], found, note, what=c) for c in ("sector", "office_location"))
        staff, revenue = (_or_none(row[c], found, note, what=c) for c in ("employees", "revenue"))
        found.accounts.append(
            AccountRow(
                name=name,
                industry=sector,
                country=country,
                employees=int(staff) if staff is not None else None,
                revenue=revenue * _MILLION if revenue is not None else None,
                founded=row["year_established"],
                parent=row["subsidiary_of"],
            )
        )


def _agents(rows: list[dict[str, str]], found: Dataset) -> None:
    managers = dict.fromkeys(row["manager"] for row in rows if row["manager"])
    found.agents += [AgentRow(name, "", "") for name in managers]
    known = set(managers)
    for number, row in _numbered(rows):
        name = row["sales_agent"]
        if not name or name in known:
            why = "the row names no agent" if not name else "the agent is listed twice"
            found.refused.append(RowNote(TEAMS, number, name, "agent", why))
            continue
        known.add(name)
        found.agents.append(AgentRow(name, row["manager"], row["regional_office"]))


def _deals(rows: list[dict[str, str]], found: Dataset, prices: Mapping[str, float | None]) -> None:
    found.rows = len(rows)
    by_shape = {_shape(product): product for product in prices}
    known_accounts = {account.name for account in found.accounts}
    known_agents = {agent.name for agent in found.agents}
    seen: set[str] = set()
    for number, row in _numbered(rows):
        note = _noter(PIPELINE, number, row["opportunity_id"])
        try:
            deal = _deal(row, found, note, by_shape, prices)
            if deal.key in seen:
                raise ValueError(f"the opportunity id {deal.key} is used twice")
        except ValueError as error:
            found.refused.append(note("row", str(error)))
            continue
        seen.add(deal.key)
        found.deals.append(deal)
        if not deal.account:
            found.incomplete.append(note("no account", "no account is named; loaded without one"))
        elif deal.account not in known_accounts:
            known_accounts.add(deal.account)
            found.accounts.append(AccountRow(deal.account, "", "", None, None, "", ""))
            found.repaired.append(note("account", f"{deal.account!r} is not in {ACCOUNTS}; a bare account is made"))
        if deal.agent not in known_agents:
            known_agents.add(deal.agent)
            found.agents.append(AgentRow(deal.agent, "", ""))
            found.repaired.append(note("agent", f"{deal.agent!r} is not in {TEAMS}; a user is made"))


_Note = Callable[[str, str], RowNote]


def _deal(
    row: Mapping[str, str],
    found: Dataset,
    note: _Note,
    by_shape: Mapping[str, str],
    prices: Mapping[str, float | None],
) -> DealRow:
    if not row["opportunity_id"]:
        raise ValueError("the row has no opportunity id")
    if not row["sales_agent"]:
        raise ValueError("the row names no sales agent")
    phase = _PHASES.get(row["deal_stage"].lower())
    if phase is None:
        raise ValueError(f"the stage {row['deal_stage']!r} is none of Prospecting, Engaging, Won, Lost")
    engaged, closed = _day(row["engage_date"], "engage_date"), _day(row["close_date"], "close_date")
    if phase in ("won", "lost") and closed is None:
        raise ValueError(f"the deal is {phase} and has no close date")
    if engaged and closed and closed < engaged:
        raise ValueError(f"closed on {closed}, before it began on {engaged}")
    product, repaired = _product(row["product"], note, by_shape)
    amount = _number(row["close_value"]) if row["close_value"] else None
    if amount is None and (price := prices.get(product)) is not None:
        amount = price
        repaired = [*repaired, note("amount", f"no value yet; the list price {price:g} stands in")]
    found.repaired += repaired
    return DealRow(
        row["opportunity_id"], row["sales_agent"], product, row["account"], phase, engaged, closed, amount
    )  # fmt: skip


def _product(name: str, note: _Note, by_shape: Mapping[str, str]) -> tuple[str, list[RowNote]]:
    listed = by_shape.get(_shape(name))
    if listed is None:
        return name, [note("product", f"the product {name!r} is not in {PRODUCTS}; kept as it is")]
    return listed, [] if listed == name else [note("product", f"{name!r} read as {listed!r}")]


def _shape(name: str) -> str:
    """A name without blanks, dashes and case: "GTXPro" and "GTX Pro" are one product."""
    return "".join(char for char in name.lower() if char.isalnum())


def _spelled(text: str, found: Dataset, note: _Note, *, what: str) -> str:
    right = _SPELLING.get(text.lower(), text)
    if right != text:
        found.repaired.append(note(what, f"{text!r} read as {right!r}"))
    return right


def _or_none(text: str, found: Dataset, note: _Note, *, what: str) -> float | None:
    try:
        return _number(text) if text else None
    except ValueError:
        found.incomplete.append(note(what, f"{text!r} is not a number; left empty"))
        return None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a number") from error
    if value != value or value in (float("inf"), float("-inf")) or value < 0:
        raise ValueError(f"{text!r} is not an amount")
    return value


def _day(text: str, what: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ValueError(f"the {what} {text!r} is not a date") from error


def _noter(file: str, number: int, record: str) -> _Note:
    return lambda kind, what: RowNote(file, number, record, kind, what)


def count_kinds(notes: Iterable[RowNote]) -> dict[str, int]:
    """How many notes there are of each kind."""
    counts: dict[str, int] = {}
    for note in notes:
        counts[note.kind] = counts.get(note.kind, 0) + 1
    return counts
