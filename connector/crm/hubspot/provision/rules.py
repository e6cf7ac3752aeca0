"""What the Pipeline Rules API (beta) can do for the handoff, when asked for: a won deal is not moved back by hand.

Not here: required properties, which no API sets (``clicks``). The rule holds for people and for calls in a user's name,
not for workflows, super admins and tokens without a user (facts: HubSpot §4), so the gate's own revert passes it.
Skipping of stages is left to the portal: it changes how a team sells, and lets a win with gaps through all the same.
Approvals and locked stages name people by user id, which only an admin can choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.crm.hubspot import wire
from connector.crm.hubspot.faults import HubSpotError
from connector.crm.hubspot.provision.items import RULES, Item, SetRules
from connector.crm.hubspot.provision.portal import FORBIDDEN, TYPE_IDS, Pipeline
from connector.crm.hubspot.session import Session
from connector.crm.installer import Difference, Do

ABSENT = 404
GOVERNANCE, BACKWARDS = "governanceValidationRules", "noBackwardsMovementRule"
APPROVAL = "approvalStage"
EVERYWHERE, STAGES = "enabledForAllStages", "pipelineStageIds"
WHY = (
    "A rep who drags a won deal back would stop its handoff. Holds at the screen and for calls in a user's name; "
    "workflows, super admins and the connector's put-back pass it, unless its app acts in a user's name. Takes Sales "
    "Hub Professional or Enterprise; beta."
)
OTHERS = (
    "Skipping stages is how a team sells, and no skipped stage lets a gap through. An approval before a win, and a "
    "stage that only some may edit, name people, whom only you know; a locked won stage keeps reps from winning."
)


@dataclass(frozen=True, slots=True)
class RulesLook:
    """The rules of one pipeline as read, or why they could not be: ``refusal``, in words.

    ``approval`` says at which stage a deal waits for approvers, and for whom.
    """

    pipeline: Pipeline
    rules: Mapping[str, Any]
    refusal: str = ""
    approval: Mapping[str, Any] = field(default_factory=dict)

    @property
    def backwards(self) -> Mapping[str, Any]:
        """What it says of moving back; empty when it says nothing."""
        found = self.rules.get(BACKWARDS)
        return found if isinstance(found, Mapping) else {}

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that no deal may leave backwards."""
        return tuple(str(one) for one in self.backwards.get(STAGES) or ())


def rules_path(session: Session, pipeline: str) -> str:
    """Where the rules of a deal pipeline are."""
    return session.paths.pipeline_rules(TYPE_IDS["deals"], pipeline)


def read_rules(session: Session, pipelines: Iterable[Pipeline]) -> tuple[RulesLook, ...]:
    """One call for each pipeline. A portal without the beta or the edition answers 404 or 403. Raises `CrmError`."""
    return tuple(_read(session, one) for one in pipelines)


def compare_rules(found: tuple[RulesLook, ...], *, remove: bool) -> tuple[Item, ...]:
    """The lines: won stages are added to those that no deal leaves backwards, or taken out again."""
    lines = tuple(item for one in found for item in _lines(one, remove=remove))
    return lines if remove or not lines else (*lines, _left_to_people())


def _left_to_people() -> Item:
    steps = ("Settings → Objects → Deals → Pipelines → Pipeline rules, and Pipeline approvals (Enterprise)",)
    detail = "optional, and yours to choose: skipped stages, approvals, stages that only some may edit"
    return Item(Do.BY_HAND, RULES, "all others", detail, OTHERS, steps=steps)


def _lines(found: RulesLook, *, remove: bool) -> Iterator[Item]:
    name = found.pipeline.label or found.pipeline.id
    won = tuple(stage.id for stage in found.pipeline.won)
    if found.refusal:
        if not remove:
            steps = (
                f"Settings → Objects → Deals → Pipelines → {name} → Pipeline rules",
                f"Restrict deals from moving backward: tick {', '.join(stage.label for stage in found.pipeline.won)}",
            )
            yield Item(Do.BY_HAND, RULES, name, found.refusal, WHY, steps=steps)
        return
    if not won:
        return
    now = found.stages
    wanted = tuple(one for one in now if one not in won) if remove else (*now, *(one for one in won if one not in now))
    if found.backwards.get(EVERYWHERE):
        yield Item(Do.KEEP, RULES, name, "the portal's own rule: no deal moves back at any stage", WHY)
    elif wanted == now:
        if not remove:
            yield Item(Do.KEEP, RULES, name, why=WHY)
    else:
        rule = {**found.backwards, EVERYWHERE: False, STAGES: list(wanted)}
        body = {GOVERNANCE: {**found.rules, BACKWARDS: rule}}
        told = (Difference(f"{BACKWARDS}.{STAGES}", ", ".join(now), ", ".join(wanted)),)
        detail = "deals may be moved back again" if remove else "won deals are not moved back by hand; other rules stay"
        yield Item(Do.CHANGE, RULES, name, detail, WHY, told, act=SetRules(found.pipeline.id, body))


def _read(session: Session, pipeline: Pipeline) -> RulesLook:
    try:
        told: wire.Json = session.get("rules", rules_path(session, pipeline.id))
    except HubSpotError as error:
        if error.status not in (FORBIDDEN, ABSENT):
            raise
        return RulesLook(pipeline, {}, _refusal(error))
    rules = told.get(GOVERNANCE)
    asked = told.get(APPROVAL)
    return RulesLook(
        pipeline, rules if isinstance(rules, Mapping) else {}, approval=asked if isinstance(asked, Mapping) else {}
    )


def _refusal(error: HubSpotError) -> str:
    if error.status == ABSENT:
        return "cannot be set by API: this portal has no Pipeline Rules API (beta), or not for this pipeline; by hand:"
    return f"cannot be set by API: {error.fault.message} ({error.fault.vendor_code}); with the edition, by hand:"
