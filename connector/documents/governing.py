"""Documents for those who look after the process: metrics guide, maintenance schedule, definitions with sign-off.

Not here: figures. These say what is counted and aimed at, never what came out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from connector.documents import gatebook
from connector.documents.subject import Subject
from connector.documents.targets import aimed, alarmed, breach, told, values
from connector.documents.words import condition, day, deals, named, people, plain, rung, sentence, within
from connector.handoff.case import listed
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import Better, Clock, Measure, Way
from connector.handoff.rulebook.governance import Cadence
from connector.papers import Block, Bullets, Grid, Heading, Mark, Text, Words, rich

CLOCKS = {Clock.WALL: "wall time", Clock.BUSINESS: "business time", Clock.NONE: ""}
WAYS = {Way.MEAN: "the mean", Way.SHARE: "a share", Way.TOTAL: "the sum"}
_NAMED_DAY = re.compile(r"the day \[targets\] (\w+) names")
"""How the catalogue of measures points to a day of the config."""
ACTIVATION = frozenset({"ttfv", "activation30", "onboarding", "drop", "velocity"})
"""Measures that need an activation milestone (product.toml)."""
ASKED: Mapping[str, str] = {
    "accepted_first": "acceptance",
    "overrides": "override_requested",
    "rating": "handoff_rating",
    "nps": "account.nps",
    "csat": "account.csat",
    "repeat_asks": "repeat_asks",
    "tickets30": "account.tickets_30",
    "retention90": "account.churned_at",
    "retention365": "account.churned_at",
    "renewal_talk": "account.renewal_talk_at",
    "expansion": "account.expansion_amount",
    "complete": "complete",
}
"""Measures that rest unless this field is mapped."""


def kept(subject: Subject) -> tuple[Measure, ...]:
    """The measures that this config can tell anything of."""
    return tuple(one for one in MEASURES.values() if _known(subject, one.key))


def _known(subject: Subject, key: str) -> bool:
    product = subject.policy.product
    if key in ACTIVATION:
        return product is not None and any(one.activation for one in product.milestones)
    if key == "commitments_kept":
        return subject.policy.commitments is not None
    if key == "completion":
        return gatebook.asks(subject)
    return key not in ASKED or subject.has(ASKED[key])


# --- the metrics guide ------------------------------------------------------------------------------------------------


def metrics(subject: Subject) -> tuple[Block, ...]:
    """Each measure: what it counts, by which clock, what is aimed at, where it stands in the CRM."""
    return tuple(_metrics(subject))


def _metrics(subject: Subject) -> Iterator[Block]:
    found = kept(subject)
    yield Heading(1, "At a glance")
    rows: list[list[Text]] = [
        [
            rich("**{title}**", title=one.title),
            aimed(subject.policy, one),
            alarmed(subject.policy, one),
            subject.label(one.field) if one.field and subject.has(one.field) else "",
        ]
        for one in found
    ]
    yield Grid(["Measure", "Target", "Alarm", "Field in the CRM"], rows)
    yield Words("Targets are changed in process.toml, [targets].")
    for one in found:
        yield Heading(1, one.title)
        yield Bullets(list(_measure(subject, one)))


def _measure(subject: Subject, one: Measure) -> Iterator[Text]:
    clock = f", {CLOCKS[one.clock]}" if CLOCKS[one.clock] else ""
    yield rich("**Told as**: {way} in {unit}{clock}.", way=WAYS[one.way], unit=one.unit.value, clock=clock)
    if one.starts:
        yield rich("**From**: {starts}.", starts=one.starts)
    if one.ends:
        yield rich("**To**: {ends}.", ends=_dated(subject, one.ends))
    yield rich("**Counts**: {counts}.", counts=one.counts)
    if one.excludes:
        yield rich("**Does not count**: {excludes}.", excludes=one.excludes)
    if target := aimed(subject.policy, one):
        alarm = alarmed(subject.policy, one)
        yield rich("**Target**: {target}{alarm}.", target=target, alarm=f"; alarm {alarm}" if alarm else "")
    yield rich("**Good is**: {way}.", way="more" if one.better is Better.HIGHER else "less")
    if one.field and subject.has(one.field):
        yield rich("**On each record**: {label}.", label=subject.label(one.field))


def _dated(subject: Subject, ends: str) -> str:
    """What a measure ends with, with the day that the config names."""
    return _NAMED_DAY.sub(lambda found: f"day {plain(values(subject.policy)[found[1]])}", ends)


# --- the maintenance schedule -----------------------------------------------------------------------------------------


def maintenance(subject: Subject) -> tuple[Block, ...]:
    """What to look at, when, and from which value on something is wrong."""
    return tuple(_maintenance(subject))


def _maintenance(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    if policy.governance is not None:
        time = within(subject, policy.governance.within)
        yield Words(f"Owner of the process: {policy.governance.owner}. What is raised is looked at {time}.")
    weeks = [*_thresholds(subject, Cadence.HYPERCARE)]
    if gatebook.asks(subject):
        weeks.append(["Each week", "Exceptions", f"more than {told(policy, 'exceptions_a_week')}", ""])
    if weeks:
        yield Heading(1, "First weeks after a launch")
        yield _looked_at("Week", weeks)
    yield Heading(1, "Every month")
    if months := [*_thresholds(subject, Cadence.MONTH)]:
        yield _looked_at("", months)
    else:
        yield Grid(["Look at", "Aim", "Red flag"], [*_monthly(subject)])
    yield Heading(1, "Every quarter")
    yield _looked_at("", [*_thresholds(subject, Cadence.QUARTER)])
    yield Bullets([*_quarterly(subject)], Mark.BOX)
    if triggers := [*_triggers(subject)]:
        yield Heading(1, "When to go over the whole process again")
        yield Bullets(triggers)
    if people_of := _owners(subject):
        yield Heading(1, "Who is asked")
        yield Grid(["What", "Who"], people_of)
    if policy.assignment.away:
        yield Heading(1, "Dates to take out once they are over")
        rows = [[one.who, day(one.begins), day(one.ends)] for one in policy.assignment.away]
        yield Grid(["Away", "From", "To"], rows)


def _thresholds(subject: Subject, cadence: Cadence) -> Iterator[list[Text]]:
    """When, what to look at, what is a red flag, what to do then."""
    found = subject.policy.governance.thresholds if subject.policy.governance else ()
    for one in found:
        if one.cadence is cadence and one.measure in {each.key for each in kept(subject)}:
            when = f"Week {one.week}" if cadence is Cadence.HYPERCARE else ""
            yield [when, MEASURES[one.measure].title, breach(one), one.advice]


def _looked_at(first: str, rows: list[list[Text]]) -> Grid:
    head = ["Look at", "Red flag", "Then"]
    return Grid([first, *head], rows) if first else Grid(head, [row[1:] for row in rows])


def _monthly(subject: Subject) -> Iterator[list[Text]]:
    for one in kept(subject):
        if alarmed(subject.policy, one) or one.key in ("told", "kickoff", "milestones"):
            months = " for two months" if one.key == "completion" else ""
            alarm = alarmed(subject.policy, one)
            yield [one.title, aimed(subject.policy, one), f"{alarm}{months}" if alarm else ""]


def _quarterly(subject: Subject) -> Iterator[Text]:
    policy = subject.policy
    if fields := [subject.label(field) for field, _ in subject.requirements()]:
        yield f"Is each required field still of use? {listed(fields)}."
    if policy.quality.fields:
        yield "Are the findings on answers right? Require what you trust (quality.toml, [rules])."
    aim, alarm = (told(policy, f"first_touch_{each}hours") for each in ("", "alarm_"))
    limits = [f"first touch {aim} after the win, alarm after {alarm}"]
    if due := gatebook.timed(subject):
        limits.append(f"answer to a rejection {due}")
    yield f"Do the time limits fit? {sentence(listed(limits))}."
    if policy.override.approvers:
        yield f"Are these still the approvers? {listed(policy.override.approvers)}."
    for pool in policy.assignment.pools.values():
        yield f"Pool {pool.name}: are the members and the cap right? {listed(pool.members)}."
    if policy.escalation.ladder:
        yield f"Does the ladder still end with the right people? {listed(subject.leaders) or 'See the config.'}"
    calendars = [policy.calendar.name, *(one.calendar.name for one in policy.calendars)]
    yield f"Are the hours and public holidays right? {listed(calendars)}."
    yield "Have new AEs and CSMs been through their training (training-ae, training-csm)?"


def _triggers(subject: Subject) -> Iterator[str]:
    if gatebook.asks(subject) and subject.policy.governance is None:
        yield f"Complete at close is below {told(subject.policy, 'completion_reengage_percent')} for two months."
    if len(subject.policy.segments) > 1:
        yield f"There is a segment besides {listed(one.name for one in subject.policy.segments)}."
    if len(subject.policy.assignment.pools) > 1:
        yield f"The pools change: {listed(subject.policy.assignment.pools)}."
    yield f"{subject.vendor} changes: stages, required fields or automation around the close."


def _owners(subject: Subject) -> list[list[Text]]:
    policy = subject.policy
    rows: list[list[Text]] = [["Customers no CSM can take", policy.assignment.fallback]]
    if policy.governance is not None:
        rows.append(["The process, and what reviews raise", policy.governance.owner])
    if policy.override.approvers:
        rows.append(["Exceptions", listed(policy.override.approvers)])
    if subject.leaders:
        rows.append(["What nobody solved further down", listed(subject.leaders)])
    if policy.red_flags.flags:
        rows.append(["Red flags", people(policy.red_flags.roles, policy.red_flags.emails)])
    return rows


# --- definitions ------------------------------------------------------------------------------------------------------


def definitions(subject: Subject) -> tuple[Block, ...]:
    """Each term as the config has it, to be agreed on, and lines to sign."""
    rows: list[list[Text]] = [
        [rich("**{term}**", term=term), meaning, "☐ Yes ☐ No"] for term, meaning in _terms(subject)
    ]
    signers = [*dict.fromkeys([*subject.leaders, *subject.policy.override.approvers])]
    blocks: list[Block] = [Grid(["Term", "What we mean", "Approved?"], rows)]
    if signers:
        blocks += [
            Heading(1, "Sign-off"),
            Grid(["Who", "Date", "Signature"], [[who, "", ""] for who in signers]),
        ]
    return tuple(blocks)


def _terms(subject: Subject) -> Iterator[tuple[str, str]]:
    policy = subject.policy
    yield "Handoff", f"What passes a won deal from Sales to customer success: {_parts(subject)}."
    yield "Handoff trigger", f"The deal is marked as won in {subject.vendor}{_types(subject)}."
    if gatebook.asks(subject):
        yield "Gate", f"The check before Closed Won. With gaps, {gatebook.LEADS_TO[policy.gate.mode]}."
    if gatebook.override(subject):
        yield "Exception", f"A manager lets a deal through with gaps: {listed(policy.override.approvers)}."
    if subject.has("complete"):
        yield "Handoff complete", "Required fields filled, a CSM assigned, and the summary reviewed by the CSM."
    for one in kept(subject):
        if one.key in ("completion", "ttft", "kickoff", "ttfv", "drop"):
            target = aimed(policy, one)
            ends = f" From: {one.starts}. To: {_dated(subject, one.ends)}." if one.starts else ""
            yield one.title, f"{sentence(one.counts)}.{ends}{f' Target: {target}.' if target else ''}"
    for segment in policy.segments:
        yield (
            f"Segment {named(segment.name)}",
            sentence(condition(subject, segment.when, always="all other deals")) + ".",
        )
    for tier in policy.tiers:
        before = "a CSM before the close" if tier.named_csm else "no CSM before the close"
        extras = f", {listed(named(each) for each in tier.extras)}" if tier.extras else ""
        when = sentence(condition(subject, tier.when, always="all other deals"))
        yield f"Tier {named(tier.name)}", f"{when}: {before}{extras}."
    if policy.product is not None:
        for milestone in policy.product.milestones:
            if milestone.activation:
                needs = listed(
                    f"{each.at_least} × {named(each.measure)}" if each.at_least > 1 else named(each.measure)
                    for each in milestone.needs
                )
                yield f"First value ({deals(subject, milestone.when)})", f"The customer has {needs}."
    if policy.escalation.ladder:
        steps = [rung(subject, one, first=n == 0) for n, one in enumerate(policy.escalation.ladder)]
        yield "Escalation path", f"{sentence('; then '.join(steps))}."
    if policy.red_flags.flags:
        names = listed(one.name.replace("-", " ") for one in policy.red_flags.flags)
        yield "Red flag", f"{sentence(names)}. Told: {people(policy.red_flags.roles, policy.red_flags.emails)}."
    if policy.commitments is not None:
        yield (
            "Promise",
            f"A line of “{subject.label(policy.commitments.field)}” with a bar: what | by when | who | status.",
        )


def _parts(subject: Subject) -> str:
    parts = ["the answers of the AE"] if gatebook.asks(subject) else []
    parts += ["the CSM", "the summary"]
    if any(book.tasks for book in subject.policy.playbooks):
        parts.append("the tasks of the playbook")
    return listed(parts)


def _types(subject: Subject) -> str:
    kinds = {each.value for each in subject.policy.deal_types}
    return "" if kinds == {"new", "renewal", "upsell"} else f", for {listed(sorted(kinds))}"
