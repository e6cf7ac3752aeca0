"""What a pilot comes to: the deals acted on beside those only observed, and what to decide before acting on all.

Not here: what is taken of one win (``trial``), keeping it (``store.trials``), and how it is laid out (``documents``).
Every number stands with how many wins it is made of: a pilot is small, and few wins prove little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

FEW = 10
"""Fewer wins than this in a group are too few to judge it by."""
FEW_CHOICES = 5
AGREE_PERCENT = 70
"""So many of the rules' choices should be people's too before the rules choose for all."""
HELD_PERCENT = 40
"""When more of the observed wins would be held, holding comes as a shock to those who are not in the pilot."""
GOOD_RATING = 3.5
"""Of 1 to 5; the mean below which CSMs are asked what is wrong before others get the same."""
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Tried:
    """One win of the comparison. ``gaps`` are the labels of what lacked at the first look, ``gaps_left`` how many lack
    now; ``would`` and ``rule`` are the first choice of the rules, ``csm`` who stands there, since ``csm_at``."""

    deal_id: str
    generation: int
    acted: bool
    ae: str
    won_at: datetime | None
    first_at: datetime
    seen_at: datetime
    asked: int
    gaps: tuple[str, ...]
    gaps_left: int
    held: bool
    filled_at: datetime | None
    had_csm: bool
    would: str
    rule: str
    csm: str
    csm_at: datetime | None
    tasks: int
    messages: int
    touched_at: datetime | None
    percent_first: int
    percent: int
    rating: int | None
    feedback: str


@dataclass(frozen=True, slots=True)
class Middle:
    """A median of so many; ``value`` is None where there is none."""

    value: float | None = None
    of: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What stands on one deal about its handoff."""

    deal_id: str
    acted: bool
    ae: str
    csm: str
    rating: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Side:
    """One group. ``held``: wins that lacked a required answer and were held, or would have been; of those ``filled``
    had it in the end, and ``let_go`` got a CSM or were in touch with one before that. ``same`` and ``other``: whether
    the CSM is whom the rules chose first, where somebody was to be chosen. Minutes, hours and percent are medians and
    means.
    """

    wins: int = 0
    held: int = 0
    filled: int = 0
    let_go: int = 0
    same: int = 0
    other: int = 0
    without_csm: int = 0
    csm_minutes: Middle = Middle()
    touch_hours: Middle = Middle()
    percent_first: Middle = Middle()
    percent_now: Middle = Middle()
    rating: Middle = Middle()
    tasks: int = 0
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Rollout:
    """The comparison. ``gaps`` counts, over the observed wins, which answers lacked; ``choices`` whom people chose
    where the rules had chosen somebody else; ``decide`` is what to settle before all is acted on."""

    since: datetime | None
    until: datetime | None
    acted: Side
    observed: Side
    gaps: tuple[tuple[str, int], ...]
    choices: tuple[tuple[str, str, int], ...]
    said: tuple[Said, ...]
    decide: tuple[str, ...]


def rollout(tried: Sequence[Tried]) -> Rollout:
    """What these wins come to."""
    acted = [each for each in tried if each.acted]
    observed = [each for each in tried if not each.acted]
    gaps = Counter(label for each in observed for label in each.gaps)
    swaps = Counter((each.would, each.csm) for each in tried if _judged(each) and each.would != each.csm)
    said = tuple(
        Said(each.deal_id, each.acted, each.ae, each.csm, each.rating, each.feedback.strip())
        for each in sorted(tried, key=lambda one: (one.csm, one.ae, one.deal_id))
        if each.feedback.strip() or each.rating is not None
    )
    times = [each.won_at for each in tried if each.won_at is not None]
    found = Rollout(
        since=min(times, default=None),
        until=max(times, default=None),
        acted=_side(acted),
        observed=_side(observed),
        gaps=tuple(gaps.most_common(MOST_NAMED)),
        choices=tuple((would, csm, count) for (would, csm), count in swaps.most_common(MOST_NAMED)),
        said=said,
        decide=(),
    )
    return _with_advice(found)


def _side(tried: Sequence[Tried]) -> Side:
    held = [each for each in tried if each.held]
    judged = [each for each in tried if _judged(each)]
    return Side(
        wins=len(tried),
        held=len(held),
        filled=sum(each.filled_at is not None for each in held),
        let_go=sum(_let_go(each) for each in held),
        same=sum(each.would == each.csm for each in judged),
        other=sum(each.would != each.csm for each in judged),
        without_csm=sum(not each.csm for each in tried),
        csm_minutes=_middle(
            (each.csm_at - each.won_at).total_seconds() / 60
            for each in tried
            if each.csm_at is not None and each.won_at is not None and not each.had_csm
        ),
        touch_hours=_middle(
            (each.touched_at - each.won_at).total_seconds() / 3600
            for each in tried
            if each.touched_at is not None and each.won_at is not None
        ),
        percent_first=_mean(each.percent_first for each in tried),
        percent_now=_mean(each.percent for each in tried),
        rating=_mean(each.rating for each in tried if each.rating is not None),
        tasks=sum(each.tasks for each in tried),
        messages=sum(each.messages for each in tried),
    )


def _judged(each: Tried) -> bool:
    """Whether the rules chose somebody and a CSM stands there, where nobody did before."""
    return bool(each.would and each.csm) and not each.had_csm


def _let_go(each: Tried) -> bool:
    """Whether work went on while answers lacked."""
    begun = min((at for at in (each.touched_at, each.csm_at) if at is not None and not each.had_csm), default=None)
    return begun is not None and (each.filled_at is None or each.filled_at > begun)


def _middle(values: Iterable[float]) -> Middle:
    ordered = sorted(max(0.0, value) for value in values)
    if not ordered:
        return Middle()
    half = len(ordered) // 2
    value = ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return Middle(round(value, 1), len(ordered))


def _mean(values: Iterable[int]) -> Middle:
    found = [*values]
    return Middle(round(sum(found) / len(found), 1), len(found)) if found else Middle()


# --- what to decide ---------------------------------------------------------------------------------------------------


def _with_advice(found: Rollout) -> Rollout:
    advice = tuple(_advice(found))
    return Rollout(found.since, found.until, found.acted, found.observed, found.gaps, found.choices, found.said, advice)


def _advice(found: Rollout) -> Iterator[str]:
    """What to settle before mode = "act", each as a sentence; what can be said of few wins comes with a warning."""
    acted, observed = found.acted, found.observed
    for side, words in ((acted, "acted on"), (observed, "only observed")):
        if side.wins < FEW:
            yield f"{_count(side.wins, 'win')} {words}: too few to judge by. Widen the pilot, or wait."
    yield from _about_the_gate(found)
    yield from _about_people(found)
    if observed.tasks:
        yield (
            f"For the observed wins {_count(observed.tasks, 'task')} and {_count(observed.messages, 'message')} would "
            "have been made. Ask the CSMs whether that is what they can do."
        )
    if acted.rating.value is not None and acted.rating.value < GOOD_RATING:
        yield (
            f"The CSMs' marks are {acted.rating.value:g} of 5 over {_count(acted.rating.of, 'handoff')}: read what "
            "they wrote and change the rules first."
        )
    if not found.said:
        yield (
            "Nobody left feedback. Map handoff_rating and handoff_feedback, and ask the people of the pilot to fill "
            "them in."
        )
    if observed.wins:
        yield (
            f"{_count(observed.wins, 'observed win')} will get no tasks when all is acted on. Who wants some of them "
            "handed over names a day with act_since before the switch."
        )


def _about_the_gate(found: Rollout) -> Iterator[str]:
    observed, acted = found.observed, found.acted
    if observed.wins and observed.held * 100 > HELD_PERCENT * observed.wins:
        lacking = ", ".join(f"{label} ({count})" for label, count in found.gaps)
        yield (
            f"{observed.held} of {_count(observed.wins, 'observed win')} would have been held, for lack of {lacking}. "
            'Tell the AEs before, or begin with [gate] mode = "warn".'
        )
    if observed.let_go:
        yield (
            f"{_count(observed.let_go, 'win')} went on with gaps that the gate would have held. "
            "What did the CSMs have to ask for again?"
        )
    if acted.held > acted.filled:
        yield (
            f"{_count(acted.held - acted.filled, 'held win')} of the pilot still lack answers: settle who chases them."
        )


def _about_people(found: Rollout) -> Iterator[str]:
    side = found.observed
    judged = side.same + side.other
    if judged >= FEW_CHOICES and side.same * 100 < AGREE_PERCENT * judged:
        often = "; ".join(f"{csm} instead of {would} ({count})" for would, csm, count in found.choices)
        yield f"People chose somebody else in {side.other} of {judged} cases: {often}. Settle [assignment] with them."
    if found.acted.other:
        often = f"{found.acted.other} of {found.acted.same + found.acted.other}"
        yield f"In the pilot {often} CSMs were changed by hand afterwards: ask why before the rules choose for all."
    if found.acted.without_csm:
        have = "has" if found.acted.without_csm == 1 else "have"
        yield f"{_count(found.acted.without_csm, 'win')} of the pilot {have} no CSM: look at pools, caps and held wins."


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
