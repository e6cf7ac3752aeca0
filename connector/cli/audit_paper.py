"""The audit of one CRM as a paper that can be handed over, and as plain data.

Not here: what was read (``engine.audit``) and counted (``handoff.audit``), nor how a paper looks (``papers``). Every
figure says of how many; nothing is said that the CRM does not show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from connector.cli.show import plain
from connector.crm.installer import Danger, Weight
from connector.engine.audit import Sample
from connector.handoff.audit import Audited, FieldTally, GroupTally, Won, hours
from connector.handoff.rulebook.policy import Policy
from connector.papers import Align, Block, Bullets, Grid, Heading, Paper, Words, rich
from connector.policy.crmmap import CrmMap
from connector.policy.suggest import LIKELY, Suggestion

WORDS_USED = (
    "Won is what the CRM marks as won; the time of a win is the CRM's own record of the stage change. First touch: the "
    "first call, email or meeting after it, by anybody; what is only planned does not count."
)

FEW = 8
"""Deals below which a group is not judged: one answer more or less would move it by more than a tenth."""

MOST_DEALS = 100
"""Deals that the paper lists one by one; ``--format json`` has all of them."""

MOST_FLAWS = 60
FIRST_DAY = timedelta(hours=24)
DASH = "–"
WEIGHTS: Mapping[Weight, str] = {
    Weight.REFUSES: "refuses",
    Weight.MAY_REFUSE: "may refuse",
    Weight.RUNS_TOO: "runs beside it",
}
R, L = Align.RIGHT, Align.LEFT


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything about one system. ``mapped`` is the audit by the mapping as it stands, ``likely`` with the suggested
    fields beside it. ``conflicts_unread``: what could not be looked at, in words. ``floor`` are the fewest calls."""

    system: str
    vendor: str
    home: str
    at: datetime
    sample: Sample
    mapped: Audited
    likely: Audited
    policy: Policy
    crm_map: CrmMap
    dangers: tuple[Danger, ...] = ()
    conflicts_unread: tuple[str, ...] = ()
    calls: Mapping[str, int] | None = None
    floor: int = 0
    shipped: bool = False
    asked: int = 0
    since: date | None = None

    @property
    def made(self) -> int:
        """Calls made."""
        return sum((self.calls or {}).values())


def paper(all_of: Sequence[Findings]) -> Paper:
    """One paper over all systems."""
    blocks = [block for found in all_of for block in _system(found, alone=len(all_of) == 1)]
    made = max((found.at.date() for found in all_of), default=None)
    names = ", ".join(f"{found.system} ({NAMES.get(found.vendor, found.vendor)})" for found in all_of)
    return Paper(
        title="Handoff audit",
        subtitle=f"{names}, {made:%d %B %Y}" if made else names,
        blocks=blocks,
        landscape=True,
        foot="Read-only: nothing was written to the CRM.",
        made=made,
    )


NAMES = {"salesforce": "Salesforce", "hubspot": "HubSpot"}


def _system(found: Findings, *, alone: bool) -> Iterator[Block]:
    if not alone:
        yield Heading(1, f"{found.system}: {NAMES.get(found.vendor, found.vendor)} {found.home}".strip())
    level = 1 if alone else 2
    if not found.mapped.deals:
        yield from _nothing(found)
        yield from _conflicts(found, level)
        yield from _guesses(found, level)
        return
    for part in PARTS:
        yield from part(found, level)


def _nothing(found: Findings) -> Iterator[Block]:
    since = f" since {found.since.isoformat()}" if found.since else ""
    none = f"No deal stands in a won stage{since}, or none that this login may see."
    if found.mapped.excluded:
        none = f"All {found.mapped.excluded} won deals read are of a type that gets no handoff."
    yield Words(f"{none} What can be said without deals follows.")


def _summary(found: Findings, level: int) -> Iterator[Block]:
    whole, today = found.likely.whole, found.mapped.whole
    yield Heading(level, "In short")
    items = [
        rich(
            "**{passed} of {deals}** won deals would have passed the gate; **{percent} %** of what CS needs was there.",
            passed=whole.passed,
            deals=whole.deals,
            percent=whole.percent,
        )
    ]
    if found.sample.likely:
        items.append(
            rich(
                "That counts {count} under other names; by the mapping alone it is {percent} %.",
                count=_counted(len(found.sample.likely), "field that exists", "fields that exist"),
                percent=today.percent,
            )
        )
    worst = [f"{one.label} ({one.percent} %)" for one in _worst(found.likely.fields)[:3]]
    if worst:
        items.append(rich("Most often missing: **{worst}**.", worst=", ".join(worst)))
    if (score := found.likely.score) is not None:
        items.append(rich("The answers that are there score **{score} of 100**.", score=score))
    items.append(rich("{words}", words=_touch_words(found.likely)))
    refusing = sum(one.weight is not Weight.RUNS_TOO for one in found.dangers)
    items.append(
        rich(
            "**{refusing}** rules of the CRM's own may refuse the connector's writes; {others} run beside it.{but}",
            refusing=refusing,
            others=len(found.dangers) - refusing,
            but=" Not all could be looked at." if found.conflicts_unread else "",
        )
    )
    yield Bullets(items)


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _worst(fields: Sequence[FieldTally]) -> list[FieldTally]:
    return sorted((one for one in fields if one.missing), key=lambda one: (one.percent, -one.missing, one.label))


def _touch_words(audited: Audited) -> str:
    whole, deals = audited.whole, audited.deals
    if not any(deal.won_at for deal in deals):
        return "When these deals were won is not known, so neither is how soon anybody called."
    if whole.waited is None:
        return "After none of these wins the CRM shows a call, an email or a meeting."
    soon = sum(deal.wait is not None and deal.wait <= FIRST_DAY for deal in deals)
    return (
        f"First call, email or meeting by anybody: {_span(whole.waited)} after the win in the middle of "
        f"{whole.touched}; within a day on {soon} of {whole.deals}, never on {whole.deals - whole.touched}."
    )


def _fields(found: Findings, level: int) -> Iterator[Block]:
    yield Heading(level, "Required fields")
    yield Words(
        "How often each answer that the gate would ask for is there. “Too little” are answers that count as missing by "
        "quality.toml; what it only advises on is in the section on quality."
    )
    today = {one.path: one for one in found.mapped.fields}
    rows = [
        (
            one.label,
            _where(found, one.path),
            str(one.asked),
            str(one.filled - one.weak),
            str(one.weak),
            f"{one.percent} %" if one.asked else DASH,
            f"{today[one.path].percent} %" if one.asked else DASH,
        )
        for one in found.likely.fields
    ]
    head = ("Field", "Stands in", "Asked of", "There", "Too little", "Complete", "By the mapping alone")
    yield Grid(head, rows, (L, L, R, R, R, R, R))


def _where(found: Findings, path: str) -> str:
    guess = found.sample.likely.get(path)
    mapped = found.crm_map.fields.get(path)
    if path not in found.sample.absent and mapped is not None:
        return mapped.field
    return f"{guess.field}, suggested" if guess else "no such field"


def _groups(found: Findings, level: int) -> Iterator[Block]:
    yield from _group(found.likely.by_ae, level, "By AE", "AE")
    yield from _group(found.likely.by_segment, level, "By segment", "Segment")


def _group(groups: Sequence[GroupTally], level: int, title: str, noun: str) -> Iterator[Block]:
    yield Heading(level, title)
    if any(one.deals < FEW for one in groups):
        yield Words(f"With fewer than {FEW} deals nobody is judged: the counts say what was seen, no more.")
    rows = [
        (
            one.name,
            str(one.deals),
            str(one.passed),
            f"{one.missing} of {one.asked}",
            f"{one.percent} %" + ("" if one.deals >= FEW else " (few)"),
            _span(one.waited),
        )
        for one in groups
    ]
    yield Grid((noun, "Deals", "Would pass", "Missing", "Complete", "First touch"), rows, (L, R, R, R, R, R))


def _deals(found: Findings, level: int) -> Iterator[Block]:
    yield Heading(level, "What CS would have missed, deal by deal")
    deals = found.likely.deals
    rows = [_deal(deal) for deal in deals[:MOST_DEALS]]
    head = ("Deal", "AE", "Closed", "Amount", "Complete", "Missing", "First touch")
    yield Grid(head, rows, (L, L, L, R, R, L, R))
    if len(deals) > MOST_DEALS:
        yield Words(f"{len(deals) - MOST_DEALS} more are in the JSON of this audit (--format json).")


def _deal(deal: Won) -> tuple[str, ...]:
    missing = ", ".join(f"{gap.label} (too little)" if gap.present else gap.label for gap in deal.gaps)
    amount = f"{deal.amount:,.0f}" if deal.amount is not None else DASH
    closed = deal.closed.isoformat() if deal.closed else DASH
    touched = _span(deal.wait) if deal.wait is not None else "none"
    return (
        *(deal.name, deal.ae or DASH, closed, amount),
        *(f"{deal.percent} %", missing or "nothing", touched if deal.won_at else "not known"),
    )


def _quality(found: Findings, level: int) -> Iterator[Block]:
    flawed = [
        (deal.name, _label(found, judged.field), flaw.quote or DASH, flaw.says, flaw.good)
        for deal in found.likely.deals
        for judged in deal.judged
        for flaw in judged.flaws[:1]
    ]
    answers = sum(len(deal.judged) for deal in found.likely.deals)
    yield Heading(level, "Quality of the answers")
    if not answers:
        yield Words("There is no answer to judge.")
        return
    yield Words(
        f"{answers} answers were read, {len(flawed)} of them say little. Words are counted and compared by the lists "
        "of quality.toml; nothing is understood."
    )
    yield Grid(("Deal", "Field", "It says", "What is wrong", "A good answer has"), flawed[:MOST_FLAWS])
    if len(flawed) > MOST_FLAWS:
        yield Words(f"{len(flawed) - MOST_FLAWS} more are in the JSON of this audit.")


def _label(found: Findings, path: str) -> str:
    rule = found.policy.fields.get(path)
    return rule.label if rule else path


def _guesses(found: Findings, level: int) -> Iterator[Block]:
    sample = found.sample
    yield Heading(level, "Fields that exist under other names")
    if not sample.suggestions:
        count = len(sample.absent)
        yield Words(
            f"Nothing alike was found for the {count} names that have no field yet."
            if count
            else "Every field of the mapping is there."
        )
        return
    yield Words(
        f"Guessed from name, type and how often each is filled; look at every one. From {LIKELY} on they are counted "
        "with above, and handoff init writes them into a first mapping as ASSUMED."
    )
    rows = [_guess_row(found, one) for one in sample.suggestions]
    yield Grid(("Ours", "Theirs", "Label", "Filled", "Score", "Why"), rows, (L, L, L, R, R, L))
    if sample.unlooked:
        yield Words(f"{sample.unlooked} fields least like anything asked for were not looked into.")


def _guess_row(found: Findings, one: Suggestion) -> tuple[str, ...]:
    filled = f"{one.filled} of {one.of}" if one.of else DASH
    why = one.why + (f"; next: {', '.join(one.others)}" if one.others else "")
    mapped = found.crm_map.fields.get(one.path)
    return (mapped.label if mapped else one.path, one.field, one.label, filled, str(one.score), why)


def _conflicts(found: Findings, level: int) -> Iterator[Block]:
    yield Heading(level, "Rules of your own that may get in the way")
    if found.dangers:
        rows = [(one.what, WEIGHTS[one.weight], one.effect, one.remedy) for one in found.dangers]
        yield Grid(("What", "How surely", "What it does", "What to do"), rows)
    else:
        yield Words("None were found.")
    if found.conflicts_unread:
        yield Words("Not looked at, because this login may not see it or no API tells it:")
        yield Bullets(found.conflicts_unread)


def _next(found: Findings, level: int) -> Iterator[Block]:
    yield Heading(level, "What to do next")
    yield Bullets(tuple(next_steps(found)))


def next_steps(found: Findings) -> Iterator[str]:
    """What follows, in order, each with its command."""
    guessed, worst = len(found.sample.likely), _worst(found.likely.fields)
    if found.shipped:
        yield "Write a first configuration from this CRM: handoff init. It keeps what was guessed here as ASSUMED."
    if guessed:
        noun = "the suggested field" if guessed == 1 else f"the {guessed} suggested fields"
        yield f"Look at {noun} with somebody who fills them in; what is right is mapped, not made anew."
    if found.dangers:
        yield "Go through the rules above with the CRM's admin before anything is installed; the surest come first."
    if worst:
        names = ", ".join(one.label for one in worst[:3])
        yield f"Agree with Sales who fills in {names}, and by which stage: those would stop most wins."
    if found.likely.whole.passed * 2 < found.likely.whole.deals:
        yield 'Begin with [gate] mode = "warn": more than half of these wins would have been held.'
    if found.sample.absent:
        count = len(found.sample.absent)
        yield f"See what would be installed for the {count} fields that are missing: handoff provision {found.system}."
    yield 'Then let it compute without writing: mode = "observe", handoff check, handoff plan, handoff run.'
    yield 'Let it act on a few named deals first: mode = "pilot". Then on all: mode = "act".'
    yield f"Run this audit again in a month and compare: handoff audit --last {found.asked}."


def _method(found: Findings, level: int) -> Iterator[Block]:
    yield Heading(level, "How this was measured")
    rules = "the rules shipped with the connector" if found.shipped else "this company's own mappings"
    since = f" that closed since {found.since.isoformat()}" if found.since else ""
    sample = f"The last {len(found.sample.facts)} won deals{since} by close date ({found.asked} asked for)"
    items = [
        f"{sample}, judged by {rules} as if the gate had stood when each was won.",
        WORDS_USED,
        f"{found.made} API calls were made; the same in full batches is {found.floor}. Nothing was written.",
    ]
    if found.sample.unread:
        items.append(f"Deals that the CRM would not give: {', '.join(found.sample.unread)}.")
    if found.mapped.excluded:
        items.insert(1, f"{found.mapped.excluded} of them are of a type that gets no handoff and were left out.")
    yield Bullets(items)


PARTS: tuple[Callable[[Findings, int], Iterator[Block]], ...] = (
    _summary,
    _fields,
    _groups,
    _deals,
    _quality,
    _guesses,
    _conflicts,
    _next,
    _method,
)
"""The parts of the paper, in order."""


def _span(span: timedelta | None) -> str:
    if span is None:
        return DASH
    found = hours(span)
    return f"{found:.1f} h" if found < 48 else f"{found / 24:.1f} d"


def data(found: Findings) -> dict[str, Any]:
    """The same as JSON holds it; spans in seconds."""
    return {
        "system": found.system,
        "vendor": found.vendor,
        "home": found.home,
        "at": found.at.isoformat(),
        "rules": "shipped" if found.shipped else "own",
        "asked": found.asked,
        "since": found.since.isoformat() if found.since else None,
        "deals": len(found.likely.deals),
        "excluded": found.likely.excluded,
        "unread": list(found.sample.unread),
        "score": found.likely.score,
        **_group_data(found.likely.whole),
        "by_the_mapping_alone": _group_data(found.mapped.whole),
        "fields": [
            {
                "name": one.path,
                "label": one.label,
                "asked": one.asked,
                "filled": one.filled,
                "too_little": one.weak,
                "percent": one.percent,
                "stands_in": _where(found, one.path),
            }
            for one in found.likely.fields
        ],
        "by_ae": [{"name": one.name, **_group_data(one)} for one in found.likely.by_ae],
        "by_segment": [{"name": one.name, **_group_data(one)} for one in found.likely.by_segment],
        "each": [_deal_data(deal) for deal in found.likely.deals],
        "suggestions": [
            {
                "name": one.path,
                "field": one.field,
                "label": one.label,
                "type": one.type.value,
                "score": one.score,
                "filled": one.filled,
                "of": one.of,
                "why": one.why,
                "likely": one.is_likely,
                "others": list(one.others),
            }
            for one in found.sample.suggestions
        ],
        "conflicts": [
            {"what": one.what, "weight": one.weight.value, "effect": one.effect, "remedy": one.remedy}
            for one in found.dangers
        ],
        "not_looked_at": list(found.conflicts_unread),
        "next": list(next_steps(found)),
        "calls": dict(sorted((found.calls or {}).items())),
        "calls_total": found.made,
        "calls_floor": found.floor,
    }


def _group_data(one: GroupTally) -> dict[str, Any]:
    return {
        "won": one.deals,
        "would_pass": one.passed,
        "required": one.asked,
        "missing": one.missing,
        "percent": one.percent,
        "touched": one.touched,
        "first_touch_seconds": _seconds(one.waited),
    }


def _deal_data(deal: Won) -> dict[str, Any]:
    return {
        "id": deal.id,
        "name": deal.name,
        "account": deal.account,
        "ae": deal.ae,
        "segment": deal.segment,
        "type": deal.deal_type,
        "amount": plain(deal.amount),
        "closed": plain(deal.closed),
        "won_at": plain(deal.won_at),
        "first_touch_at": plain(deal.touched),
        "first_touch_seconds": _seconds(deal.wait),
        "percent": deal.percent,
        "score": deal.score,
        "missing": [gap.field for gap in deal.gaps],
        "answers": [
            {"field": one.field, "score": one.score, "flaws": [flaw.flaw.value for flaw in one.flaws]}
            for one in deal.judged
        ],
    }


def _seconds(span: timedelta | None) -> int | None:
    return int(span.total_seconds()) if span is not None else None
