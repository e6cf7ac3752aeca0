"""Handoff answers for one deal: a story of the customer's industry, with its people and numbers.

Pure text making. It does not decide which answers a deal has or lacks; `book.py` does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox import agreed
from connector.sandbox.stories import COMMITMENTS, RENEWAL_SUCCESS, SPECIAL_TERMS, STORIES, UPSELL_SUCCESS, Story

if TYPE_CHECKING:
    from connector.sandbox.agreed import DealType
    from connector.sandbox.book import AccountPlan, ContactPlan

_SHARE_SPECIAL_TERMS = 0.3
_STYLE = (
    "prefers short calls in the morning",
    "wants everything in writing",
    "answers chat within the hour, e-mail never",
    "likes numbers, dislikes slides",
    "very direct; brings the team leads to every call",
)
_BUYER_CARES = (
    "signs; cares about payback inside a year",
    "signs; joined the last call and asked only about references",
    "budget owner; wants one page a month, no more",
    "signs; worried about one more tool, so keep the scope small",
)


@dataclass(frozen=True, slots=True)
class Cast:
    """The customer's people in the purchase and the numbers that recur in the answers."""

    story: Story
    champion: ContactPlan
    buyer: ContactPlan
    admin: ContactPlan
    today: date
    numbers: dict[str, Any]

    @classmethod
    def pick(cls, rng: random.Random, home: AccountPlan, *, today: date) -> Cast:
        """Choose a story that fits the account's industry and people."""
        champion, buyer, admin = home.contacts
        fitting = [s for s in STORIES[home.industry] if s.champion_title == champion.title]
        story = rng.choice(fitting or list(STORIES[home.industry]))
        first = today + timedelta(days=rng.randint(18, 40))
        second = first + timedelta(days=rng.randint(25, 60))
        numbers = {
            "n": rng.randrange(15, 260, 5),
            "n2": rng.randrange(10, 60, 5),
            "sites": rng.randint(2, 9),
            "pct": rng.randint(12, 45),
            "days": rng.randint(3, 9),
            "k": rng.randint(3, 18),
            "date1": f"{first:%-d %B}",
            "date2": f"{second:%-d %B}",
            "go_live": second,
        }
        return cls(story, champion, buyer, admin, today, numbers)


def answers(rng: random.Random, cast: Cast, *, deal_type: DealType, amount: float) -> dict[str, Any]:
    """Every handoff field filled as a good AE fills it; what the segment does not ask for is often left out."""
    fill = _filler(rng, cast)
    if deal_type != "new":
        pool = RENEWAL_SUCCESS if deal_type == "renewal" else UPSELL_SUCCESS
        return {"success_criteria": fill(rng.choice(pool)), "champion": _line(rng, cast)}
    story, asked = cast.story, set(agreed.required(amount=amount, deal_type=deal_type))
    people = (
        f"{cast.champion.name} (champion), {cast.buyer.name} (economic buyer), {cast.admin.name} ({cast.admin.title};"
        f" sets up sign-on, {rng.choice(_STYLE)}). About {cast.numbers['n']} end users, trained by team leads."
    )
    full: dict[str, Any] = {
        "why_bought": fill(story.why),
        "use_case": fill(story.use),
        "success_criteria": fill(story.success),
        "commitments": fill(rng.choice(COMMITMENTS)),
        "champion": _line(rng, cast),
        "risks": fill(story.risks),
        "competition": f"Before: {fill(story.tool)}. {fill(story.rival)}",
        "economic_buyer": f"{cast.buyer.name}, {cast.buyer.title} ({cast.buyer.email}); {rng.choice(_BUYER_CARES)}",
        "stakeholders": people,
        "champion_stake": fill(story.stake),
        "go_live_date": cast.numbers["go_live"].isoformat(),
    }
    kept = {name: text for name, text in full.items() if name in asked or rng.random() < 0.25}
    if rng.random() < _SHARE_SPECIAL_TERMS:
        kept["special_terms"] = fill(rng.choice(SPECIAL_TERMS))
    return kept


def _filler(rng: random.Random, cast: Cast) -> Any:
    words = cast.numbers | {
        "champ": cast.champion.first,
        "buyer": f"{cast.buyer.name} ({cast.buyer.title})",
        "tool": cast.story.tool.format(**cast.numbers),
        "manager": rng.choice(("Victor Lang", "Ruth Adeyemi")),
    }
    return lambda text: text.format(**words)


def _line(rng: random.Random, cast: Cast) -> str:
    person = cast.champion
    return f"{person.name}, {person.title} ({person.email}); {rng.choice(_STYLE)}"
