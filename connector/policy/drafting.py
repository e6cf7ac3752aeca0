"""A first folder of mappings: the shipped files with what was read of a CRM, each guess marked ASSUMED.

Not here: reading the CRM and asking people (``cli.init``), and finding fields (``suggest``). Pure: texts in, texts out.
The shipped files are changed line by line, so that their comments stay: they are an admin's manual.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from connector.handoff.model import Kind, Stage
from connector.policy.assumed import comment
from connector.policy.suggest import Suggestion

DEAL_TYPES: Mapping[str, frozenset[str]] = {
    "renewal": frozenset({"renewal", "renew", "renewed"}),
    "upsell": frozenset({"upsell", "existing", "existingbusiness", "expansion", "upgrade", "addon", "crosssell"}),
    "new": frozenset({"new", "newbusiness", "newlogo"}),
}  # fmt: skip
"""Words by which the values of a deal type are told apart, tried in this order."""

NEAR_CLOSE = ("contract", "negotiat", "legal", "procure", "verbal", "commit")
"""How the names of stages go in which a deal is about to be won."""

POOLS = ("enterprise", "mid", "small")
"""The pools of the shipped process.toml."""

_FIELD = re.compile(r'^(?P<name>\w+) = \{ field = "[^"]*", label = "[^"]*", type = "(?P<type>\w+)"')
_MANAGER = re.compile(r'"[^"]+@[^"]+" = "[^"]+@')
_SECTION = re.compile(r"^\[\[?(?P<name>[^\]]+)\]\]?\s*(?:#.*)?$")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of one CRM. ``types`` are the values its deal type may take."""

    vendor: str
    suggestions: tuple[Suggestion, ...] = ()
    stages: tuple[Stage, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A value for a file, and why it was guessed; ``why`` is empty for what a person said."""

    value: str | tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Firm:
    """What of the company goes into process.toml: people by email, the time zone, the country of its holidays.

    ``managers`` says who manages whom, for CRMs that do not; a guess, whose reason is ``managers_why``.
    """

    approvers: Said
    fallback: Said
    pools: Mapping[str, Said]
    time_zone: Said
    country: Said
    managers: Mapping[str, str] = field(default_factory=dict)
    managers_why: str = ""


@dataclass(slots=True)
class Draft:
    """One file being changed. Raises LookupError for a line that the shipped file does not have."""

    lines: list[str]
    assumed: int = field(default=0)

    @classmethod
    def of(cls, text: str) -> Draft:
        """A draft of a whole text."""
        return cls(text.splitlines())

    @property
    def text(self) -> str:
        """The text as it stands."""
        return "\n".join(self.lines) + "\n"

    def find(self, section: str, key: str, *, nth: int = 0) -> int:
        """Where a key stands under the nth heading of that name."""
        seen = -1
        inside = False
        for number, line in enumerate(self.lines):
            heading = _SECTION.match(line)
            if heading is not None:
                seen += heading["name"] == section
                inside = heading["name"] == section and seen == nth
            elif inside and re.match(rf"{re.escape(key)}\s*=", line):
                return number
        raise LookupError(f"[{section}] {key}")

    def put(self, section: str, key: str, said: Said, *, nth: int = 0) -> None:
        """Give a key another value; a guess says so above it."""
        number = self.find(section, key, nth=nth)
        self.lines[number] = f"{key} = {toml(said.value)}"
        self.assume(number, said.why)

    def assume(self, number: int, why: str) -> None:
        """Say above a line that it is a guess; nothing for what is none."""
        if why:
            self.lines.insert(number, comment(why))
            self.assumed += 1

    def quote_out(self, first: int, last: int) -> None:
        """Make comments of some lines."""
        for number in range(first, last + 1):
            self.lines[number] = f"# {self.lines[number]}".rstrip()


def toml(value: object) -> str:
    """A plain value as TOML writes it."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "{ " + ", ".join(f"{_key(str(name))} = {toml(one)}" for name, one in value.items()) + " }"
        case Iterable():
            return "[" + ", ".join(toml(one) for one in value) + "]"
        case _:
            return str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else toml(name)


def vendor_file(text: str, seen: Seen) -> Draft:
    """A vendor's mapping with the fields, stages and deal types that were found."""
    draft = Draft.of(text)
    for one in seen.suggestions:
        if one.is_likely:
            _use(draft, one)
    _stages(draft, seen.stages)
    _types(draft, seen.types)
    return draft


def _use(draft: Draft, one: Suggestion) -> None:
    """Map a name to the field that was found for it, by the label that people know."""
    section = f"fields.{Kind.ACCOUNT.value if one.kind is Kind.ACCOUNT else Kind.DEAL.value}"
    number = draft.find(section, one.path.rpartition(".")[2])
    line = draft.lines[number]
    shipped = _FIELD.match(line)
    if shipped is None:
        raise LookupError(line)
    label = toml(one.label or one.field)
    head = f'{shipped["name"]} = {{ field = {toml(one.field)}, label = {label}, type = "{one.type.value}"'
    draft.lines[number] = head + line[shipped.end() :]
    draft.assume(number, f"{one.field} is meant; {one.why}; score {one.score}")


def _stages(draft: Draft, stages: Sequence[Stage]) -> None:
    """Where a win with gaps goes back to, and where the work before the close begins."""
    pipelines: dict[str, list[Stage]] = {}
    for stage in stages:
        pipelines.setdefault(stage.pipeline, []).append(stage)
    won = {name: found for name, members in pipelines.items() if (found := _last_open(members)) is not None}
    if not won:
        return
    names = ", ".join(stage.label or stage.id for stage in won.values())
    why = f"{names} is the last stage before a win"
    by_pipeline = "" not in won
    near: object = {name: [one.id] for name, one in won.items()} if by_pipeline else [won[""].id]
    back: object = {name: one.id for name, one in won.items()} if by_pipeline else won[""].id
    for key, value in (("revert_to", back), ("before_close", near), ("pre_assign", near)):
        number = draft.find("stages", key)
        draft.lines[number] = f"{key} = {toml(value)}"
        draft.assume(number, why)
    if by_pipeline and len(won) < len(pipelines):
        number = draft.find("stages", "pipelines")
        draft.lines[number] = f"pipelines = {toml(list(won))}"
        draft.assume(number, "the others have no stage that is won")


def _last_open(members: Sequence[Stage]) -> Stage | None:
    """The open stage nearest to the win, by its name or else by its place; None where nothing can be won."""
    if not any(stage.is_won for stage in members):
        return None
    before = [stage for stage in members if not stage.is_closed]
    named = [stage for stage in before if any(word in stage.label.casefold() for word in NEAR_CLOSE)]
    return next(reversed(named or before), None)


def _types(draft: Draft, values: Sequence[str]) -> None:
    """Which values of the deal type mean what, where the shipped ones are not all there."""
    kinds = {kind: tuple(one for one in values if deal_type(one) == kind) for kind in DEAL_TYPES}
    if not any(kinds.values()):
        return
    for kind, found in kinds.items():
        number = draft.find("deal_types", kind)
        written = f"{kind} = {toml(list(found))}"
        if draft.lines[number] != written:
            draft.lines[number] = written
            draft.assume(number, "by the words in the values of your deal type")


def deal_type(value: str) -> str:
    """What a value of the deal type probably means; empty when its words tell nothing."""
    words = re.findall(r"[a-z]+", value.casefold())
    joined = {*words, "".join(words), *(first + second for first, second in pairwise(words))}
    return next((kind for kind, known in DEAL_TYPES.items() if joined & known), "")


def process_file(text: str, firm: Firm) -> Draft:
    """process.toml with the company's own people and hours; the rest is as shipped."""
    draft = Draft.of(text)
    draft.put("gate", "mode", Said("warn", "a team that is new to this begins with warn"))
    draft.put("override", "approvers", firm.approvers)
    draft.put("assignment", "fallback", firm.fallback)
    for nth, name in enumerate(POOLS):
        draft.put("assignment.pools", "members", firm.pools[name], nth=nth)
    leaders = _leaders(firm)
    last = sum(_SECTION.match(line) is not None and "escalation.ladder]]" in line for line in draft.lines) - 1
    draft.put("escalation.ladder", "to", leaders, nth=last)
    draft.put("red_flags", "to", leaders)
    draft.put("escalation", "sponsor", Said(leaders.value[0], "nobody was named"))
    draft.put("calendar", "time_zone", firm.time_zone)
    draft.put("calendar.holidays", "country", firm.country)
    _drop_examples(draft, firm)
    return draft


def _leaders(firm: Firm) -> Said:
    """Who stands for both leaderships until somebody names them."""
    people = (*(firm.approvers.value if isinstance(firm.approvers.value, tuple) else (firm.approvers.value,)),)
    fallback = str(firm.fallback.value)
    return Said(
        tuple(dict.fromkeys((*people[:1], fallback))), "the approver and the fallback person, until you name others"
    )


def _drop_examples(draft: Draft, firm: Firm) -> None:
    """The shipped example of a rule by country, and the example of a manager: they are of nobody here."""
    rule = next(number for number, line in enumerate(draft.lines) if line.startswith("name = ") and "Germany" in line)
    draft.quote_out(rule - 1, rule + 2)
    manager = next(number for number, line in enumerate(draft.lines) if _MANAGER.match(line))
    draft.lines[manager : manager + 1] = [f"{toml(who)} = {toml(boss)}" for who, boss in firm.managers.items()]
    if firm.managers:
        draft.assume(manager, firm.managers_why)
