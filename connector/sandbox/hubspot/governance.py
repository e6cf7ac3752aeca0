"""Rules of a pipeline for people (beta): no skipped stage, no way back, where a deal begins, who may touch a stage.

Not for integrations: they hold for a person at the screen, not for tokens without a user, workflows and super admins,
and only where the tier has them (facts: HubSpot §4). Settings: `pipeline_rules_beta` (true): whether this portal has
the beta; `super_admins`: owner ids that pass everything. What an unset rule reads as is not documented: absent here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.hubspot import sources, tiers
from connector.sandbox.hubspot.asked import Asked, Reply, listed
from connector.sandbox.hubspot.errors import Refused, invalid, not_found
from connector.sandbox.hubspot.stages import PIPELINE_OF, PIPELINES, SALES, STAGES, Pipeline
from connector.sandbox.rows import Refused as SaveRefused

if TYPE_CHECKING:
    from connector.sandbox.rows import Row, Table
    from connector.sandbox.state import World

BETA = "pipeline_rules_beta"
KEPT = "pipeline_rules"
"""Setting: {pipeline: {"governanceValidationRules", "approvalStage"}}."""
PERMISSIONS = "stage_permissions"
"""Setting: {pipeline: [stage permissions]}."""
SUPER_ADMINS = "super_admins"

RULES, APPROVAL = "governanceValidationRules", "approvalStage"
SKIPPING, BACKWARDS, CREATION = "noSkippingStagesRule", "noBackwardsMovementRule", "objectCreationRule"
MODES = frozenset({"OPEN", "RESTRICTED"})
APPROVAL_MODES = frozenset({"ALL", "ANY"})


class Blocked(SaveRefused):
    """A person may not save this."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.reasons = ((words, "dealstage"),)


# the endpoints


def read(asked: Asked) -> Reply:
    """GET the rules of a pipeline."""
    return Reply(_kept(asked.world, _pipeline(asked).id), rows=1)


def put(asked: Asked) -> Reply:
    """PUT: replace them."""
    return _store(asked, asked.object())


def patch(asked: Asked) -> Reply:
    """PATCH: change those that are sent."""
    before, sent = _kept(asked.world, _pipeline(asked).id), asked.object()
    rules = {**before.get(RULES, {}), **(sent.get(RULES) or {})}
    return _store(asked, {**before, **sent, RULES: rules})


def delete(asked: Asked) -> Reply:
    """DELETE: there is no rule any more; 204."""
    found, every = _pipeline(asked), dict(asked.world.settings.get(KEPT, {}))
    every.pop(found.id, None)
    asked.world.setting(KEPT, every)
    return Reply(status=204, rows=1)


def read_permissions(asked: Asked) -> Reply:
    """GET who may change the deals of each stage."""
    found = _pipeline(asked)
    kept = {p["pipelineStageId"]: p for p in asked.world.settings.get(PERMISSIONS, {}).get(found.id, ())}
    return Reply({"stages": [kept.get(s.id) or _open(s.id) for s in found.stages]}, rows=len(found.stages))


def put_permissions(asked: Asked) -> Reply:
    """PUT who may change the deals of some stages."""
    found = _pipeline(asked)
    sent = [_permission(found, each) for each in listed(asked.object().get("stages"), "stages")]
    every = dict(asked.world.settings.get(PERMISSIONS, {}))
    kept = {p["pipelineStageId"]: p for p in (*every.get(found.id, ()), *sent)}
    asked.world.setting(PERMISSIONS, {**every, found.id: list(kept.values())})
    return read_permissions(asked)


def read_approval(asked: Asked) -> Reply:
    """GET how far the approval of one deal is."""
    found, row = _pipeline(asked), asked.world.table("deals").get(asked.params["id"])
    if row is None:
        raise not_found(f"Deal {asked.params['id']} does not exist")
    stage = _kept(asked.world, found.id).get(APPROVAL)
    status = "NOT_APPLICABLE" if not stage or row.values.get("pipeline") != found.id else "NO_APPROVAL_NEEDED"
    if stage and row.values.get("dealstage") == stage["pipelineStageId"]:
        status = "PENDING"
    return Reply({"objectId": row.id, "status": status}, rows=1)


# what people may save


def guard(world: World) -> None:
    """Hold people at the screens to the rules from now on."""

    def check(table: Table, row: Row | None, given: dict[str, Any], by: str) -> None:
        if table.name == "deals" and tiers.tier(world).pipeline_rules and _is_bound(world, by):
            _check_save(world, row, given, user=sources.user_id(world, by))

    world.rules = check


# inside


def _check_save(world: World, row: Row | None, given: dict[str, Any], *, user: int | None) -> None:
    before = row.values if row is not None else {}
    old, new = before.get("dealstage"), given.get("dealstage", before.get("dealstage"))
    pipeline = PIPELINE_OF.get(new or "", SALES)
    for stage in {old, new} - {None}:
        if not _may_touch(world, pipeline, stage or "", user):
            raise Blocked(f"You cannot edit deals in the stage {STAGES[stage or ''].label}.")
    rules = _kept(world, pipeline.id).get(RULES, {})
    if row is None:
        begin = (rules.get(CREATION) or {}).get("pipelineStageIds")
        if begin and new not in begin:
            raise Blocked("Deals of this pipeline cannot be created in this stage.")
    elif new != old and new and pipeline.stage(old):
        _check_move(pipeline, rules, old or "", new)


def _check_move(pipeline: Pipeline, rules: dict[str, Any], old: str, new: str) -> None:
    order = [s.id for s in pipeline.stages]
    here, there = order.index(old), order.index(new)
    passed = [s for s in pipeline.stages[here + 1 : there] if not s.closed]
    if not STAGES[new].lost and any(_applies(rules.get(SKIPPING), s.id) for s in passed):
        raise Blocked("Stages of this pipeline cannot be skipped.")
    if there < here and _applies(rules.get(BACKWARDS), old):
        raise Blocked("Deals of this pipeline cannot be moved back.")


def _applies(rule: dict[str, Any] | None, stage: str) -> bool:
    return bool(rule) and bool(
        (rule or {}).get("enabledForAllStages") or stage in (rule or {}).get("pipelineStageIds", ())
    )


def _is_bound(world: World, by: str) -> bool:
    return sources.user_id(world, by) is not None and by not in world.settings.get(SUPER_ADMINS, ())


def _may_touch(world: World, pipeline: Pipeline, stage: str, user: int | None) -> bool:
    for each in world.settings.get(PERMISSIONS, {}).get(pipeline.id, ()):
        if each["pipelineStageId"] == stage and each["permissionMode"] == "RESTRICTED":
            return user in each["userIds"]
    return True


def _pipeline(asked: Asked) -> Pipeline:
    if not asked.world.settings.get(BETA, True):
        raise not_found("No such path in this API version")
    if not tiers.tier(asked.world).pipeline_rules:
        raise _not_in_plan()
    found = PIPELINES.get(asked.params["pipeline"]) if asked.kind.table == "deals" else None
    if found is None:
        raise not_found(f"Pipeline {asked.params['pipeline']} does not exist for {asked.kind.type_id}")
    return found


def _not_in_plan() -> Refused:
    # Which answer the vendor gives is not documented; a 403 that names no scope tells it from a missing scope.
    return Refused(status=403, category="FORBIDDEN", message="This account's subscription does not include this.")


def _kept(world: World, pipeline_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.settings.get(KEPT, {}).get(pipeline_id, {RULES: {}})
    return found


def _store(asked: Asked, sent: dict[str, Any]) -> Reply:
    found, rules = _pipeline(asked), sent.get(RULES) or {}
    if unknown := (set(sent) - {RULES, APPROVAL}) | (set(rules) - {SKIPPING, BACKWARDS, CREATION}):
        raise invalid(f"Invalid input JSON: unknown {', '.join(sorted(unknown))}")
    for rule in rules.values():
        _check_stages(found, (rule or {}).get("pipelineStageIds") or [])
    kept = {RULES: {name: rule for name, rule in rules.items() if rule is not None}}
    if sent.get(APPROVAL):
        kept[APPROVAL] = _approval(asked, found, sent[APPROVAL])
    every = dict(asked.world.settings.get(KEPT, {}))
    asked.world.setting(KEPT, {**every, found.id: kept})
    return Reply(kept, rows=1)


def _approval(asked: Asked, pipeline: Pipeline, sent: dict[str, Any]) -> dict[str, Any]:
    if not tiers.tier(asked.world).approvals:
        raise _not_in_plan()
    _check_stages(pipeline, [sent.get("pipelineStageId")])
    if sent.get("approvalMode") not in APPROVAL_MODES or not sent.get("approverUserIds"):
        raise invalid("An approval stage needs approvalMode ALL or ANY and approverUserIds")
    _check_users(asked.world, sent["approverUserIds"])
    return sent


def _permission(pipeline: Pipeline, sent: Any) -> dict[str, Any]:
    if not isinstance(sent, dict) or sent.get("permissionMode") not in MODES:
        raise invalid("Every stage needs a permissionMode: OPEN or RESTRICTED")
    _check_stages(pipeline, [sent.get("pipelineStageId")])
    return {**_open(str(sent["pipelineStageId"])), **sent}


def _open(stage_id: str) -> dict[str, Any]:
    return {"pipelineStageId": stage_id, "permissionMode": "OPEN", "superAdmin": True, "userIds": [], "teamIds": []}


def _check_stages(pipeline: Pipeline, ids: list[Any]) -> None:
    if wrong := [str(i) for i in ids if pipeline.stage(i) is None]:
        raise invalid(f"Pipeline {pipeline.id} has no stage {', '.join(wrong)}")


def _check_users(world: World, ids: list[Any]) -> None:
    known = {str(row.values["userId"]) for row in world.table("owners").live()}
    if wrong := [str(i) for i in ids if str(i) not in known]:
        raise invalid(f"There is no user {', '.join(wrong)}")
