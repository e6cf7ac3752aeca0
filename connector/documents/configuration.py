"""The configuration guide: what is set, section by section, and in which file and table it is changed.

Not here: fields of the CRM and what builds them (``techspec``), and playbooks and product (``playing``).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.documents import gatebook
from connector.documents.playing import playbooks, product, watching
from connector.documents.subject import Subject
from connector.documents.targets import breach
from connector.documents.words import (
    clock,
    condition,
    counted,
    day,
    either,
    hours,
    limit,
    named,
    people,
    plain,
    rung,
    sentence,
    span,
)
from connector.handoff.case import listed
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.rulebook.calendars import Days
from connector.handoff.rulebook.gate import GateMode
from connector.handoff.rulebook.people import Method, Pool, Role, WhenFull
from connector.handoff.rulebook.quality import Flaw
from connector.papers import Block, Bullets, Grid, Heading, Text, Words, rich

METHODS = {
    Method.ROUND_ROBIN: "in turn",
    Method.FEWEST_ACCOUNTS: "who has the fewest accounts",
    Method.LEAST_REVENUE: "whose customers pay the least",
}
MOMENTS = {
    "csm_assigned": "the CSM, of a new customer",
    "csm_preassigned": "the CSM, of a customer to come",
    "deal_held": "the AE, that the deal is held",
    "deal_lost": "the CSM, that a deal of theirs was lost",
    "nobody_eligible": "the fallback person, that no CSM could take a customer",
    "deal_fought": "the AE's manager, that something keeps moving a deal back to won",
    "handoff_rejected": "the AE, that the CSM sent a handoff back",
    "handoff_resubmitted": "the CSM, that the AE answered",
    "resubmit_late": "the AE's manager, that a rejection was not answered in time",
    "summary_changed": "the CSM, what changed of the answers after the handoff",
}
"""Who is told what, by the moments of ``[notify]``; a test holds the table complete."""


def configuration(subject: Subject) -> tuple[Block, ...]:
    """Everything that is set, with its place."""
    return tuple(block for part in PARTS for block in part(subject))


def changed_in(file: str, *tables: str) -> Words:
    """Where an admin changes what follows."""
    return Words(rich("Changed in **{file}**, {tables}.", file=file, tables=listed(tables)))


def _kinds(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    yield Heading(1, "Customers and deals")
    yield changed_in("process.toml", "[[segments]]", *(["[[tiers]]"] if policy.tiers else []), "[handoff]")
    yield Grid(
        ["Segment", "Deals"], [[one.name, condition(subject, one.when, always="all others")] for one in policy.segments]
    )
    if policy.tiers:
        rows = [
            [
                named(one.name),
                condition(subject, one.when, always="all others"),
                ("two" if one.second_csm else "yes") if one.named_csm else "no",
                listed(named(each) for each in one.extras),
            ]
            for one in policy.tiers
        ]
        yield Grid(["Tier", "Deals", "CSM before the close", "Besides"], rows)
    yield Words(f"Won again within {span(policy.rewin_window)}, a deal goes on with its handoff.")
    if any(task.owner is Role.PHASE for book in policy.playbooks for task in book.tasks):
        yield Words(f"A task of whoever the phase belongs to is the AE's for {span(policy.sales_for)}, then the CSM's.")


def _gate(subject: Subject) -> Iterator[Block]:
    gate = subject.policy.gate
    yield Heading(1, "The gate before Closed Won")
    yield changed_in("process.toml", "[gate]", "[[gate.require]]")
    yield Bullets([*gatebook.modes(subject)])
    if gatebook.asks(subject):
        yield gatebook.required(subject, why=True)
    if GateMode.REVERT in (gate.mode, *(one.mode for one in gate.exceptions)):
        back = either(dict.fromkeys(gate.revert_to.values()))
        where = f"Where its earlier stage is not known, a deal goes back to {back}. " if back else ""
        returns = f"{counted(gate.fight_limit, 'return')} within {span(gate.fight_window)}"
        yield Words(f"{where}After {returns} that no person made, it is held where it stands, and a person is told.")
    if lines := gatebook.override(subject):
        yield Heading(2, "Exceptions")
        yield changed_in("process.toml", "[override]")
        yield Bullets(lines)


def _before(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    lines: list[Text] = []
    if found := gatebook.stages(subject, policy.before_close):
        lines.append(rich("An open deal says how ready it is in **{stages}**.", stages=found))
    if found := gatebook.stages(subject, policy.pre_assign):
        lines.append(rich("It gets its CSM in **{stages}**.", stages=found))
    if policy.review is not None:
        unit = "working day" if policy.review.counted is Days.WORKING else "day"
        when = f"{counted(policy.review.days, unit)} before {subject.label('close_date')}"
        lines.append(f"CS reviews it {when}, within {limit(subject, policy.review.within)} (process.toml, [review]).")
    if lines:
        yield Heading(1, "Before the close")
        yield changed_in(f"{subject.map.vendor}.toml", "[stages]")
        yield Bullets(lines)
    if policy.prefills:
        yield Heading(2, "Taken over from what the CRM knows")
        yield changed_in("process.toml", "[[prefill]]")
        rows = [
            [
                subject.label(one.field),
                _source(subject, one.source),
                f"{counted(one.days, 'day')} later" if one.days else "",
            ]
            for one in policy.prefills
        ]
        head = ["Field", "From", "Moved by"]
        yield Grid(head, rows) if any(row[2] for row in rows) else Grid(head[:2], [row[:2] for row in rows])


def _source(subject: Subject, source: str) -> str:
    kind, _, role = source.partition(".")
    if kind != "contacts":
        return subject.label(source)
    return f"the contact with the role {named(role)}" if role else "the deal's contacts"


def _quality(subject: Subject) -> Iterator[Block]:
    quality = subject.policy.quality
    if not quality.fields:
        return
    yield Heading(1, "How good an answer is")
    yield changed_in("quality.toml", "[rules]", "[kinds]", "[fields]")
    rows = [
        [
            f"An answer {gatebook.FLAWS[flaw]}",
            {"off": "is not looked for", "advise": "the deal says so", "require": "counts as missing"}[
                one.leads_to.value
            ],
            plain(one.cost),
        ]
        for flaw in Flaw
        if (one := quality.rules.get(flaw)) is not None
    ]
    yield Grid(["Finding", "What follows", "Off 100 points"], rows)
    yield Grid(
        ["Judged field", "Good is", "Says that there is nothing"],
        [
            [subject.label(one.path), one.good or one.kind.good, either(f"“{each}”" for each in one.honest)]
            for one in quality.fields
        ],
    )


def _csm(subject: Subject) -> Iterator[Block]:
    policy = subject.policy.assignment
    yield Heading(1, "Who becomes the CSM")
    yield changed_in("process.toml", "[assignment]", "[[assignment.rules]]", "[[assignment.pools]]")
    if policy.keep_current:
        yield Words("A known customer keeps the CSM they have. For all others, the first rule that fits counts.")
    rows = [[one.name, condition(subject, one.when, always="all others"), one.pool] for one in policy.rules]
    yield Grid(["Rule", "Deals", "Pool"], rows)
    yield Grid(
        ["Pool", "Members", "Chosen", "At most", "When nobody has room"],
        [_pool(subject, one) for one in policy.pools.values()],
    )
    lines: list[Text] = [rich("Fallback: **{who}**.", who=policy.fallback)]
    if policy.paused:
        lines.append(f"Get no new accounts: {listed(policy.paused)}.")
    if policy.away_from_calendar:
        lines.append("An event over the whole working day makes a CSM away on that day.")
    if policy.place_held_days is not None:
        lines.append(f"An open deal holds its place for {counted(policy.place_held_days, 'day')} after its close date.")
    lines += [
        f"{buddy} is the buddy of {who} in their first {counted(policy.buddy_handoffs, 'handoff')}."
        for who, buddy in sorted(policy.buddies.items())
    ]
    lines += [f"{one.who} is away from {day(one.begins)} to {day(one.ends)}." for one in policy.away]
    yield Bullets(lines)


def _pool(subject: Subject, pool: Pool) -> list[Text]:
    members = [f"{one} ({plain(pool.weight(one))})" if one in pool.weights else one for one in pool.members]
    full = {
        WhenFull.FALLBACK: "the fallback person",
        WhenFull.NEXT_POOL: f"the pool {pool.next_pool}",
        WhenFull.WAIT: f"waits{f' at most {limit(subject, pool.wait_at_most)}' if pool.wait_at_most else ''}",
    }[pool.when_full]
    second = f"; second CSM from {pool.second_from}" if pool.second_from else ""
    cap = counted(pool.cap, "account") if pool.cap is not None else "no cap"
    return [rich("**{name}**", name=pool.name), listed(members), METHODS[pool.method] + second, cap, full]


def _calendars(subject: Subject) -> Iterator[Block]:
    policy = subject.policy
    yield Heading(1, "Working hours")
    yield changed_in("process.toml", "[calendar]", *(["[[calendars]]"] if policy.calendars else []))
    rows: list[list[Text]] = []
    for one in policy.calendars:
        who = [*([one.team.value] if one.team else []), *(f"pool {each}" for each in one.pools), *one.countries]
        rows.append([one.calendar.name, listed(who), hours(one.calendar), one.calendar.tz])
    rows.append(
        [policy.calendar.name, "everybody else" if rows else "everybody", hours(policy.calendar), policy.calendar.tz]
    )
    yield Grid(["Calendar", "For", "Hours", "Time zone"], rows)


def _messages(subject: Subject) -> Iterator[Block]:
    policy = subject.policy.notify
    yield Heading(1, "Who is told what")
    yield changed_in("process.toml", "[notify]")
    yield Bullets([MOMENTS[moment] for moment in MOMENTS if moment in policy.moments])
    lines: list[Text] = []
    if policy.in_crm:
        lines.append(f"{subject.vendor} itself tells them as well, by {listed(policy.in_crm)}.")
    if policy.digest:
        lines.append("What is late or due today comes as one message per person in the morning.")
    lines.append("Only tasks of high priority are reminded of." if policy.essential else "Every task is reminded of.")
    if policy.any_hour:
        lines.append("What is late is told at any hour.")
    if policy.quiet is not None:
        lines.append(f"From {clock(policy.quiet.start)} to {clock(policy.quiet.end)} every message waits.")
    if "summary_changed" in policy.moments:
        lines.append(f"What changes within {span(policy.changes_after)} is one message.")
    yield Bullets(lines)


def _ladder(subject: Subject) -> Iterator[Block]:
    policy = subject.policy.escalation
    if policy.ladder:
        yield Heading(1, "Escalation")
        yield changed_in("process.toml", "[[escalation.ladder]]", "[escalation.managers]")
        rows: list[list[Text]] = [
            [str(number), people(one.roles, one.emails), rung(subject, one, first=number == 1).rpartition(", ")[2]]
            for number, one in enumerate(policy.ladder, 1)
        ]
        yield Grid(["Step", "Told", "When"], rows)
    if policy.managers:
        yield Grid(["Person", "Manager"], [[who, boss] for who, boss in sorted(policy.managers.items())])
    if policy.sponsor:
        yield Words(f"Executive sponsor where a deal names none: {policy.sponsor}.")


def _answer(subject: Subject) -> Iterator[Block]:
    if due := gatebook.resubmit(subject):
        yield Heading(1, "The CSM's answer")
        yield changed_in("process.toml", "[acceptance]")
        yield Words(
            f"The CSM accepts or rejects in “{subject.label('acceptance')}”. A rejection makes a task of the AE, to be "
            f"answered {due}; if it is not, the AE's manager is told."
        )
        if reasons := gatebook.rejecting(subject):
            yield Words(sentence(f"reasons: {reasons}."))


def _summary(subject: Subject) -> Iterator[Block]:
    rows: list[list[Text]] = []
    for section in subject.policy.summary.sections:
        names = [subject.label(each) for each in section.fields if subject.has(each)]
        if "contacts" in section.fields and subject.map.contacts is not None:
            names.append("everybody with a role on the deal")
        if names:
            rows.append([section.title, listed(names)])
    if rows:
        yield Heading(1, "The one-page summary")
        yield changed_in("playbook.toml", "[[summary.sections]]")
        yield Grid(["Section", "Shows"], rows)


def _governance(subject: Subject) -> Iterator[Block]:
    policy = subject.policy.governance
    if policy is not None:
        yield Heading(1, "Governance")
        yield changed_in("process.toml", "[governance]")
        live = f" Live since {day(policy.since)}." if policy.since else ""
        judged = f"A period is judged {counted(policy.wait_days, 'day')} after its end."
        yield Words(f"Owner: {policy.owner}, within {limit(subject, policy.within)}. {judged}{live}")
        rows: list[list[Text]] = [
            [
                one.name,
                f"week {one.week}" if one.week else one.cadence.value,
                MEASURES[one.measure].title,
                breach(one),
                counted(one.at_least, "handoff"),
            ]
            for one in policy.thresholds
        ]
        yield Grid(["Threshold", "Period", "Measure", "Breached when", "Not judged below"], rows)


def _pilot(subject: Subject) -> Iterator[Block]:
    pilot = subject.policy.pilot
    lines: list[Text] = []
    for words, names in (("AEs", pilot.owners), ("CSMs", pilot.csms), ("Pools", pilot.pools), ("Deals", pilot.deals)):
        if names:
            lines.append(f"{words}: {listed(names)}.")
    if pilot.when is not None:
        lines.append(f"{sentence(condition(subject, pilot.when))}.")
    if lines:
        yield Heading(1, "The pilot")
        yield changed_in("process.toml", "[pilot]")
        if pilot.since is not None:
            lines.append(f"Wins from {day(pilot.since)} on.")
        yield Bullets(lines)


PARTS = (
    _kinds,
    _gate,
    _before,
    _quality,
    _csm,
    _answer,
    playbooks,
    _summary,
    _calendars,
    _messages,
    _ladder,
    watching,
    product,
    _governance,
    _pilot,
)
"""The guide's sections in order; one whose part of the config is empty yields nothing."""
