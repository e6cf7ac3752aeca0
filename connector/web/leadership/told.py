"""One number of the page with all that stands beside it: unit, target, range, who counts, and how it is defined.

Not here: any number (``store.figures`` sums, ``handoff.measures`` says what a sum comes to) and its looks (templates).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.model import Clock, Measure, Way
from connector.handoff.measures.summing import Sum, aim, few, interval, number, on_target, shown, shown_aim
from connector.handoff.rulebook.watch import Targets

MET, MISSED = "met", "missed"
VERDICT_WORDS = {MET: "on target", MISSED: "off target", "": ""}

CLOCK_WORDS = {
    Clock.WALL: "Wall time: nights, weekends and holidays count.",
    Clock.BUSINESS: "Working time by the company's calendar.",
    Clock.NONE: "",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A number as the page says it. ``value`` is None where nothing counts; ``verdict`` is empty without a target.

    ``range_said`` is the interval in which the true figure lies 95 times of 100; empty where there is none. ``met``
    and ``missed`` are None where single handoffs meet nothing, because there is no target.
    """

    key: str
    title: str
    value: float | None
    said: str
    target: float | None
    target_said: str
    verdict: str
    counted: int
    met: int | None
    missed: int | None
    few: bool
    low: float | None
    high: float | None
    range_said: str
    help: tuple[tuple[str, str], ...]

    @property
    def verdict_words(self) -> str:
        """The verdict in words, so that nobody needs to see a colour."""
        return VERDICT_WORDS[self.verdict]


def tell(measure: Measure, found: Sum, targets: Targets, *, defined: bool = True, ranged: bool = True) -> Told:
    """One measure's number over some handoffs; ``defined``: with its definition, which need not stand in every cell;
    ``ranged``: with the range in which the true figure lies, for which a sum must have its squares."""
    aimed = _aimed(measure.key, targets)
    wanted = aimed.wanted
    good = on_target(measure, found, wanted)
    bounds = interval(measure, found) if ranged else None
    judged = measure.way is Way.SHARE or wanted is not None
    said = shown(measure, found)
    is_few = few(found, least=targets.few)
    return Told(
        key=measure.key,
        title=measure.title,
        value=said.number,
        said=said.text,
        target=aimed.number,
        target_said=aimed.said,
        verdict="" if good is None or is_few else MET if good else MISSED,
        counted=found.counted,
        met=found.met if judged else None,
        missed=found.counted - found.met if judged else None,
        few=is_few,
        low=bounds.low if bounds else None,
        high=bounds.high if bounds else None,
        range_said=f"{_short(bounds.low)} to {_short(bounds.high)}" if bounds else "",
        help=definition(measure, targets) if defined else (),
    )


@dataclass(frozen=True, slots=True)
class _Aimed:
    """What is aimed at: in smallest units, in the unit that is shown, and in words."""

    wanted: int | None
    number: float | None
    said: str


@lru_cache(maxsize=256)
def _aimed(key: str, targets: Targets) -> _Aimed:
    """The same in each of hundreds of cells."""
    measure = MEASURES[key]
    wanted = aim(measure, targets)
    return _Aimed(wanted, _in_unit(measure, wanted), shown_aim(measure, wanted))


def definition(measure: Measure, targets: Targets) -> tuple[tuple[str, str], ...]:
    """How a measure is defined, as pairs of what and how; what is empty is left out."""
    wanted = _aimed(measure.key, targets).said
    pairs = (
        ("Counts", measure.counts),
        ("Starts with", measure.starts),
        ("Ends with", measure.ends),
        ("Does not count", measure.excludes),
        ("Clock", CLOCK_WORDS[measure.clock]),
        ("Unit", measure.unit.value),
        ("Target", wanted or "none"),
    )
    return tuple((name, said) for name, said in pairs if said)


def _in_unit(measure: Measure, wanted: int | None) -> float | None:
    """A target in the unit the number is shown in."""
    if wanted is None:
        return None
    return float(wanted) if measure.way is Way.SHARE else number(measure, Sum(1, wanted))


def _short(bound: float) -> str:
    return f"{bound:.1f}".removesuffix(".0").replace("-0", "0" if f"{bound:.1f}" in ("-0", "-0.0") else "-0")
