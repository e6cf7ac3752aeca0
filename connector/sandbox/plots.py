"""What becomes of a deal in the scripted sales period: one generator per plot, acting as people act on the screen.

A plot does what a person does next and yields `Until` whenever that person would wait for the record to change.
It knows what must come of it (`expectations.py`) but not who or what makes it so. Who plays which plot, and the
waiting itself, is in `scenarios.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connector.sandbox import agreed, people
from connector.sandbox.expectations import expect, refine
from connector.sandbox.screens.actions import Refusal

if TYPE_CHECKING:
    from connector.sandbox.screens.actions import Actions
    from connector.sandbox.state import World
    from connector.sandbox.views import CrmView

# How long a person waits for the record to change before the plot is given up, in seconds.
PATIENCE = 120.0
# Reads of the CRM by others after which a person takes a change for seen, and how long to wait for them at most.
LOOKS = 8
GLANCE = 20.0
_SHARE_OF_TOUCHED = 0.35
_OVERRIDE_DAYS = 5
_REASON = "Signature had to be in before the quarter closed; the champion is on leave and sends the rest next week."


@dataclass(frozen=True, slots=True)
class Until:
    """A wait: `ready` is asked again and again; a wait that is not `needed` ends after `seconds` all the same."""

    what: str
    ready: Callable[[], bool]
    seconds: float = PATIENCE
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A deal with a part in a plot. `held_back` are the answers the rep knows but has not typed yet."""

    deal: str
    owner: str
    held_back: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the plots act on: one CRM, hands for its screens, and dice. `looks` counts reads by others so far.

    `kept_back` are the deals that the CRM's own rules did not let anybody win, with the words they gave.
    """

    world: World
    crm: CrmView
    do: Actions
    rng: random.Random
    looks: Callable[[], int]
    kept_back: dict[str, str] = field(default_factory=dict)

    def win(self, part: Part, *, by: str | None = None) -> bool:
        """Drag the deal to the won stage of its pipeline; whether the CRM's own rules let it go there."""
        deal = self.crm.deal(part.deal)
        try:
            self.do.move_stage(part.deal, self.crm.stage_of("won", deal.deal_type).id, by=by or part.owner)
        except Refusal as error:
            self.kept_back[part.deal] = str(error)
            return False
        self.kept_back.pop(part.deal, None)
        return True

    def reopen(self, part: Part) -> None:
        """Drag the deal back into negotiation."""
        deal = self.crm.deal(part.deal)
        self.do.move_stage(part.deal, self.crm.stage_of("negotiation", deal.deal_type).id, by=part.owner)

    def gate(self, part: Part) -> str:
        """What the gate says."""
        return self.crm.deal(part.deal).text("gate")

    def until_held(self, part: Part) -> Until:
        """Wait for the deal to come back with its reasons."""
        return Until("deals to be held", lambda: self.gate(part) == agreed.HELD and bool(self._text(part, "missing")))

    def until_handed_off(self, part: Part) -> Until:
        """Wait for CSM, tasks and summary."""
        return Until("handoffs to be made", lambda: self._handed_off(part))

    def until_looked(self) -> Until:
        """Wait until whoever watches the CRM has looked a few times."""
        start = self.looks()
        return Until("somebody to look", lambda: self.looks() >= start + LOOKS, seconds=GLANCE, needed=False)

    def _text(self, part: Part, name: str) -> str:
        return self.crm.deal(part.deal).text(name)

    def _handed_off(self, part: Part) -> bool:
        deal = self.crm.deal(part.deal)
        if deal.text("gate") not in agreed.PASSED_GATES or not (deal.text("csm") and deal.text("summary")):
            return False
        if not any(agreed.is_summary(n.title) for n in self.crm.notes_of(part.deal)):
            return False
        subjects = [task.subject for task in self.crm.tasks_of(part.deal)]
        wanted = agreed.subjects(deal.deal_type)
        return all(any(subject.startswith(each) for subject in subjects) for each in wanted)


Plot = Callable[[Scene, list[Part]], Iterator[Until]]


def clean(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """Everything is filled and the rep drags the deal to won."""
    part = _one(scene, parts, "handed_off", "clean")
    if not scene.win(part):
        return
    yield scene.until_handed_off(part)
    yield from _onboard(scene, part)


def bulk(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """RevOps imports a list of signed deals: many won in the same moment."""
    revops = scene.crm.user_named(people.with_role(people.REVOPS)[0].email).id
    won = []
    with scene.world.lock:
        for part in parts:
            expect(scene.world, part.deal, "handed_off", story="bulk")
            if scene.win(part, by=revops):
                won.append(part)
    for part in won:
        yield scene.until_handed_off(part)


def fixed(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """Won with gaps, held (or not let through at all), corrected by the rep and won again."""
    part = _one(scene, parts, "handed_off", "fixed")
    if scene.win(part):
        yield scene.until_held(part)
    scene.do.set_fields(part.deal, part.held_back, by=part.owner)
    if scene.rng.random() < 0.5:
        yield Until("the list of gaps to clear", lambda: not scene.crm.deal(part.deal).text("missing"))
    if not scene.win(part):
        return
    yield scene.until_handed_off(part)
    yield from _onboard(scene, part)


def left(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """Won with gaps, held, and the rep does nothing about it."""
    part = _one(scene, parts, "held", "left")
    if scene.win(part):
        yield scene.until_held(part)


def overridden(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """Won with gaps under a manager's override, asked for before the win or after the deal came back."""
    part = _one(scene, parts, "overridden", "overridden")
    approver = scene.crm.user_named(scene.rng.choice(people.APPROVERS)).id
    if scene.rng.random() < 0.4 and scene.win(part):
        yield scene.until_held(part)
    scene.do.set_fields(part.deal, _request(scene, approver), by=part.owner)
    if not scene.win(part):
        return
    yield scene.until_handed_off(part)
    yield from _onboard(scene, part)


def refused(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """An override that does not count: a colleague as approver, no reason, or an expiry that has passed."""
    part = _one(scene, parts, "held", "refused")
    request = _request(scene, scene.crm.user_named(people.APPROVERS[0]).id)
    flaw = scene.rng.choice(("approver", "reason", "expiry"))
    if flaw == "approver":
        request["override_approver"] = scene.crm.user_named(scene.rng.choice(people.NOT_APPROVERS)).id
    elif flaw == "reason":
        request["override_reason"] = ""
    else:
        request["override_expires"] = (scene.world.clock.now() - timedelta(days=3)).date()
    scene.do.set_fields(part.deal, request, by=part.owner)
    if scene.win(part):
        yield scene.until_held(part)


def rewon(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """Handed off, reopened over a clause in the contract, and won once more."""
    part = _one(scene, parts, "handed_off", "rewon")
    if not scene.win(part):
        return
    yield scene.until_handed_off(part)
    scene.reopen(part)
    yield scene.until_looked()
    scene.win(part)
    yield scene.until_looked()
    yield scene.until_handed_off(part)


def flicker(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """Dragged to won by mistake, back, and to won again within a moment."""
    part = _one(scene, parts, "handed_off", "flicker")
    if not scene.win(part):
        return
    scene.reopen(part)
    scene.win(part)
    yield scene.until_handed_off(part)


def edited(scene: Scene, parts: list[Part]) -> Iterator[Until]:
    """The customer moves the goal after the handoff; the rep corrects the field and the summary has to follow."""
    part = _one(scene, parts, "handed_off", "edited")
    if not scene.win(part):
        return
    yield scene.until_handed_off(part)
    says = f"Goal moved in the kickoff: {scene.rng.randint(71, 98)}% instead, same date."
    old = scene.crm.deal(part.deal).text("success_criteria")
    scene.do.set_fields(part.deal, {"success_criteria": f"{says} {old}"}, by=part.owner)
    refine(scene.world, part.deal, says=says)
    yield Until("summaries to follow an edit", lambda: _summary_says(scene, part, says))


def _one(scene: Scene, parts: list[Part], outcome: Any, story: str) -> Part:
    (part,) = parts
    expect(scene.world, part.deal, outcome, story=story)
    return part


def _request(scene: Scene, approver: str) -> dict[str, Any]:
    expires = (scene.world.clock.now() + timedelta(days=_OVERRIDE_DAYS)).date()
    return {
        "override_requested": True,
        "override_reason": _REASON,
        "override_approver": approver,
        "override_expires": expires,
    }


def _onboard(scene: Scene, part: Part) -> Iterator[Until]:
    """Some CSMs go to work at once: the first call or meeting, and a task ticked off."""
    if scene.rng.random() >= _SHARE_OF_TOUCHED:
        return
    deal = scene.crm.deal(part.deal)
    csm, company = deal.text("csm"), scene.crm.account(deal.account).name if deal.account else deal.name
    log = scene.do.log_call if scene.rng.random() < 0.6 else scene.do.log_meeting
    log(
        part.deal, by=csm, subject=f"Welcome, {company}", body="Introduced myself and agreed on the date for the setup."
    )
    refine(scene.world, part.deal, touched=True)
    ours = [task for task in scene.crm.tasks_of(part.deal) if task.owner == csm and not task.done]
    for task in ours[: scene.rng.randint(0, 2)]:
        scene.do.complete_task(task.id, by=csm)
    yield Until("first touches to be noted", lambda: bool(scene.crm.deal(part.deal).text("first_touch_at")))


def _summary_says(scene: Scene, part: Part, says: str) -> bool:
    notes = [n for n in scene.crm.notes_of(part.deal) if agreed.is_summary(n.title)]
    return says in scene.crm.deal(part.deal).text("summary") and any(says in note.body for note in notes)
