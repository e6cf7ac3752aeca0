"""What ``handoff init`` wants to know, from a file, from options and from whoever sits at the terminal.

Not here: reading CRMs and writing files (``init``). A file of answers is TOML; its mistakes have line and column.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from connector.errors import Problem, UserError
from connector.policy.drafting import POOLS, toml
from connector.policy.model.words import Spec, Text
from connector.settings.file import SystemSpec
from connector.settings.mistakes import validated
from connector.settings.model import Vendor
from connector.settings.spans import read

SHIPPED_ZONE, SHIPPED_COUNTRY = "America/New_York", "US"
"""As the shipped process.toml has them."""

NAMES: Mapping[Vendor, str] = {Vendor.SALESFORCE: "sf", Vendor.HUBSPOT: "hs"}
"""What a system is called unless somebody names it."""

CREDENTIALS: Mapping[Vendor, tuple[tuple[str, str, str], ...]] = {
    Vendor.SALESFORCE: (
        ("client_id_env", "Variable that holds the connected app's client id", "SF_CLIENT_ID"),
        ("client_secret_env", "Variable that holds its client secret", "SF_CLIENT_SECRET"),
    ),
    Vendor.HUBSPOT: (("access_token_env", "Variable that holds the access token or service key", "HS_ACCESS_TOKEN"),),
}
"""By vendor: the key in config.toml, the question, and what the variable is usually called."""

ADDRESS: Mapping[Vendor, tuple[str, str]] = {
    Vendor.SALESFORCE: ("The org's own address (https://….my.salesforce.com)", ""),
    Vendor.HUBSPOT: ("The API's address", "https://api.hubapi.com"),
}
MAPPINGS = "mappings"
HEAD = """\
# Where the CRMs are and how the daemon runs. Made by `handoff init`; every key it knows is in docs/operator-guide.md.
# Secrets never stand here: a key that ends in _env names an environment variable.

mappings = "{mappings}"

[daemon]
# observe computes everything and writes nothing to a CRM; pilot writes for the deals of [pilot] in process.toml;
# act writes for all.
mode = "observe"
state = "state"
"""

Ask = Callable[[str, str], str]
"""A question and what is meant by an empty answer; the answer."""


def _zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError('is no time zone; write one such as "Europe/Berlin"')
    return name


Zone = Annotated[Text, AfterValidator(_zone)]


class AnswersSpec(Spec):
    """The file of answers. What it leaves out is read from the CRM, or asked, or guessed and marked ASSUMED."""

    systems: tuple[SystemSpec, ...] = ()
    approvers: tuple[Text, ...] = ()
    fallback: Text | None = None
    csms: tuple[Text, ...] = ()
    pools: dict[str, tuple[Text, ...]] = Field(default_factory=dict)
    time_zone: Zone | None = None
    country: Text | None = None


@dataclass(slots=True)
class Answers:
    """What is known so far. ``systems`` are tables of config.toml, in their order there."""

    systems: list[dict[str, Any]] = field(default_factory=list)
    approvers: tuple[str, ...] = ()
    fallback: str = ""
    csms: tuple[str, ...] = ()
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    time_zone: str = ""
    country: str = ""


def from_file(path: Path) -> Answers:
    """The answers of a file. Raises `UserError` with every mistake in it."""
    problems: list[Problem] = []
    source = read(path)
    spec = validated(AnswersSpec, source, problems)
    for name in () if spec is None else spec.pools:
        if name not in POOLS:
            message = f"is no pool of the shipped process.toml; it has {', '.join(POOLS)}"
            problems.append(source.problem(("pools", name), message, of_key=True))
    if problems or spec is None:
        raise UserError(problems)
    return Answers(
        systems=[dict(each) for each in source.data.get("systems", [])],
        approvers=tuple(each.lower() for each in spec.approvers),
        fallback=(spec.fallback or "").lower(),
        csms=tuple(each.lower() for each in spec.csms),
        pools={name: tuple(each.lower() for each in members) for name, members in spec.pools.items()},
        time_zone=spec.time_zone or "",
        country=(spec.country or "").upper(),
    )


def systems_of(vendors: Sequence[str], urls: Sequence[str]) -> list[dict[str, Any]]:
    """The systems that options name, with the usual names of variables. Raises `UserError`."""
    made: list[dict[str, Any]] = []
    for number, name in enumerate(vendors):
        vendor = vendor_named(name)
        url = urls[number] if number < len(urls) else ""
        made.append({"name": _free(NAMES[vendor], made), "vendor": vendor.value} | ({"base_url": url} if url else {}))
        made[-1] |= {key: usual for key, _, usual in CREDENTIALS[vendor]}
    return made


def vendor_named(name: str) -> Vendor:
    """The vendor. Raises `UserError` for a word that is none."""
    try:
        return Vendor(name.strip().lower())
    except ValueError as error:
        known = ", ".join(each.value for each in Vendor)
        raise UserError([Problem("", "--vendor", f"{name!r} is no CRM known here; use {known}")]) from error


def _free(name: str, made: Sequence[Mapping[str, Any]]) -> str:
    taken = {str(each["name"]) for each in made}
    return next(each for each in (name, *(f"{name}{number}" for number in range(2, 100))) if each not in taken)


def ask_systems(answers: Answers, ask: Ask) -> None:
    """Which CRMs, where they are, and how to log in; no secret is asked for."""
    if answers.systems:
        return
    for vendor in _asked_for(ask):
        question, usual = ADDRESS[vendor]
        address = ask(question, usual)
        one: dict[str, Any] = {"name": _free(NAMES[vendor], answers.systems), "vendor": vendor.value}
        one |= {"base_url": address} if address and address != usual else {}
        one |= {key: ask(words, name) for key, words, name in CREDENTIALS[vendor]}
        answers.systems.append(one)


def _asked_for(ask: Ask) -> tuple[Vendor, ...]:
    """Which CRMs; asked until the answer names some, for a slip is no reason to begin anew."""
    known = {each.value: each for each in Vendor}
    question = "Which CRM: salesforce, hubspot, or both"
    while True:
        told = _listed(ask(question, ""))
        told = tuple(known) if told == ("both",) else told
        if told and all(each in known for each in told):
            return tuple(known[each] for each in told)
        question = "Please write salesforce, hubspot, or both"


def ask_people(answers: Answers, ask: Ask, *, csms: Sequence[str], approver: str) -> None:
    """Who approves, who steps in, who the CSMs are, and the time zone.

    Whom the CRM seems to name is offered; taken with Enter it stays a guess, for nobody said so.
    """
    if not answers.approvers:
        answers.approvers = _listed(_said(ask, "Who may let a deal through with gaps (emails, with commas)", approver))
    if not answers.fallback:
        usual = next(iter(csms), approver)
        answers.fallback = _said(ask, "Who gets an account that nobody else can take (email)", usual).lower()
    if not answers.csms and not answers.pools:
        words = "Who are the CSMs (emails, with commas; Enter: as read from the CRM)"
        answers.csms = _listed(_said(ask, words, ", ".join(csms)))
    if not answers.time_zone:
        answers.time_zone = _known_zone(ask)
    if not answers.country:
        answers.country = ask("Country of the public holidays (two letters)", SHIPPED_COUNTRY).upper()


def _said(ask: Ask, words: str, usual: str) -> str:
    """What a person said; empty where they took what was offered."""
    told = ask(words, usual)
    return "" if told == usual else told


def _known_zone(ask: Ask) -> str:
    while True:
        told = ask("Time zone of the team", SHIPPED_ZONE)
        if told in zoneinfo.available_timezones():
            return told
        ask(f"{told} is no time zone; write one such as Europe/Berlin. Press Enter", "")


def _listed(told: str) -> tuple[str, ...]:
    return tuple(_split(told))


def _split(told: str) -> Iterator[str]:
    for each in told.replace(";", ",").split(","):
        if each.strip():
            yield each.strip().lower()


def config_text(systems: Sequence[Mapping[str, Any]]) -> str:
    """config.toml for these systems."""
    parts = [HEAD.format(mappings=MAPPINGS)]
    for one in systems:
        lines = [f"{key} = {toml(value)}" for key, value in one.items()]
        parts.append("\n[[systems]]\n" + "\n".join(lines) + "\n")
    return "".join(parts)
