"""Values, actions and plans as JSON text.

Not here: any table. `action_to_json` comes back exactly as it was; `plan_to_json` is for people and programs that
read a decision, and does not come back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from connector.handoff.model import Kind, Ref, Value
from connector.handoff.plan import (
    Action,
    Answer,
    Assignment,
    Candidate,
    FieldCheck,
    Finding,
    Notify,
    Order,
    Patch,
    Plan,
    SendMail,
    Upsert,
)
from connector.plain import storable

Json = dict[str, Any]

_DIGEST_CHARS = 32


def encode_value(value: Value) -> Any:
    """A value as JSON: text, bool and None as they are, the rest tagged with its type. Raises TypeError, ValueError."""
    match value:
        case None | str() | bool():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            if value.tzinfo is None:
                raise ValueError("the store takes aware times only")
            return {"datetime": value.astimezone(UTC).isoformat()}
        case date():
            return {"date": value.isoformat()}
    raise TypeError(f"not a field value: {type(value).__name__}")


def decode_value(data: Any) -> Value:
    """What `encode_value` was given. Raises ValueError on a tag it does not know."""
    if data is None or isinstance(data, str | bool):
        return data
    ((tag, text),) = data.items()
    match tag:
        case "decimal":
            return Decimal(text)
        case "datetime":
            return datetime.fromisoformat(text)
        case "date":
            return date.fromisoformat(text)
    raise ValueError(f"unknown value tag {tag!r}")


def encode_values(values: Mapping[str, Value]) -> Json:
    """A mapping of fields as JSON."""
    return {name: encode_value(value) for name, value in values.items()}


def decode_values(data: Json) -> dict[str, Value]:
    """What `encode_values` was given."""
    return {name: decode_value(value) for name, value in data.items()}


_UNTOLD = frozenset({"not_before", "together"})


def action_to_json(action: Action) -> Json:
    """An action as JSON, exactly."""
    match action:
        case Patch():
            return {
                "type": "patch",
                "step": action.step,
                "order": action.order.value,
                "ref": _ref(action.ref),
                "values": encode_values(action.values),
                "expected": encode_values(action.expected),
                "reason": action.reason,
            }
        case Upsert():
            return {
                "type": "upsert",
                "step": action.step,
                "order": action.order.value,
                "kind": action.kind.value,
                "key": action.key,
                "values": encode_values(action.values),
                "parents": [_ref(ref) for ref in action.parents],
                "fingerprint": action.fingerprint,
                "reason": action.reason,
                "record_id": action.record_id,
            }
        case Notify():
            # When it may go stands in its row: an older version that reads the action knows no such field.
            texts = {item.name: getattr(action, item.name) for item in fields(Notify) if item.name not in _UNTOLD}
            lot = {"together": True} if action.together else {}
            return {"type": "notify", **texts, **lot, "order": action.order.value}
        case SendMail():
            parts = {item.name: getattr(action, item.name) for item in fields(SendMail)}
            return {"type": "mail", **parts, "order": action.order.value}


def action_from_json(data: Json) -> Action:
    """What `action_to_json` was given. Raises ValueError on a type it does not know."""
    rest = {name: value for name, value in data.items() if name != "type"}
    rest["order"] = Order(rest["order"])
    match data["type"]:
        case "patch":
            rest["ref"] = _to_ref(rest["ref"])
            rest["values"] = decode_values(rest["values"])
            rest["expected"] = decode_values(rest["expected"])
            return Patch(**rest)
        case "upsert":
            rest["kind"] = Kind(rest["kind"])
            rest["values"] = decode_values(rest["values"])
            rest["parents"] = tuple(_to_ref(item) for item in rest["parents"])
            return Upsert(**rest)
        case "notify":
            return Notify(**rest)
        case "mail":
            return SendMail(**rest)
    raise ValueError(f"unknown action type {data['type']!r}")


def plain_value(value: Value) -> str | bool | int | float | None:
    """A value for readers: numbers as numbers, dates and times in ISO form."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case date():
            return value.isoformat()
    return value


def action_view(action: Action) -> Json:
    """An action for readers: what would be written where, and why. The text of a message is left out."""
    base: Json = {"step": action.step, "order": action.order.value, "reason": action.reason}
    match action:
        case Patch():
            return base | {
                "type": "patch",
                "ref": _ref(action.ref),
                "values": _plain(action.values),
                "expected": _plain(action.expected),
            }
        case Upsert():
            return base | {
                "type": "upsert",
                "kind": action.kind.value,
                "key": action.key,
                "record_id": action.record_id,
                "values": _plain(action.values),
            }
        case Notify():
            return base | {"type": "notify", "key": action.key, "to": action.to_email, "subject": action.subject}
        case SendMail():
            return base | {"type": "mail", "key": action.key, "to": action.to_email, "subject": action.subject}


def plan_to_json(plan: Plan) -> Json:
    """A decision for readers, in JSON types only. See `HandoffView.plan` for where it is kept."""
    traces = {
        "by_hand": [{"step": each.step, "touch": each.touch.value} for each in plan.by_hand],
        "reached": list(plan.reached),
        "comments": list(plan.comments),
    }
    return {
        "system": str(plan.key.system),
        "deal_id": plan.key.deal_id,
        "phase": plan.phase.value,
        "generation": plan.generation,
        "gate": plan.gate.value if plan.gate else None,
        "segment": plan.segment,
        "percent": plan.percent,
        "coverage": plan.coverage,
        "recheck_at": _moment(plan.recheck_at),
        "missing": [_check(check) for check in plan.missing],
        "quality": plan.quality,
        "answers": [_as_is(each) for each in plan.answers],
        "assignment": _assignment(plan.assignment),
        "findings": [_finding(finding) for finding in plan.findings],
        "tasks": [
            {
                "step": task.step,
                "subject": task.subject,
                "owner_email": task.owner_email,
                "due": task.due.isoformat() if task.due else None,
                "state": task.state,
                "why": task.why,
            }
            for task in plan.tasks
        ],
        "actions": [action_view(action) for action in plan.actions],
        **{name: told for name, told in traces.items() if told},
        "standing": {"footing": plan.standing.footing.value, "why": plan.standing.why},
    }


def decision_digest(view: Json) -> str:
    """Equal for two plan views that tell a reader the same; loads and next looks drift without meaning anything."""
    drifting = ("recheck_at", "assignment", "findings", "answers", "quality", "standing")
    told = {name: value for name, value in view.items() if name not in drifting}
    if view.get("answers"):
        told["answers"] = [(each["field"], each["score"], each["flaws"]) for each in view["answers"]]
    told["findings"] = [(item["rule"], item["verdict"], item["reason"]) for item in view["findings"]]
    assignment = view["assignment"]
    told["csm"] = (assignment["person_id"], assignment["rule"]) if assignment else None
    return digest(told)


def digest(data: Any) -> str:
    """A short fingerprint of JSON data."""
    return hashlib.sha256(dumps(data).encode()).hexdigest()[:_DIGEST_CHARS]


def dumps(data: Any) -> str:
    """JSON text with sorted names, so that equal data is equal text; as every database can hold it."""
    return storable(json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def loads(text: str) -> Any:
    """JSON text as data."""
    return json.loads(text)


def _finding(finding: Finding) -> Json:
    return {
        "rule": finding.rule,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "recheck_at": _moment(finding.recheck_at),
        "gate": finding.gate.value if finding.gate else None,
        "checks": [_check(check) for check in finding.checks],
        "assignment": _assignment(finding.assignment),
        "steps": [action.step for action in finding.actions],
    }


def _check(check: FieldCheck) -> Json:
    return _as_is(check)


def _assignment(assignment: Assignment | None) -> Json | None:
    if assignment is None:
        return None
    return {
        "person_id": assignment.person_id,
        "email": assignment.email,
        "rule": assignment.rule,
        "new": assignment.new,
        "candidates": [_as_is(candidate) for candidate in assignment.candidates],
    }


def _as_is(item: FieldCheck | Candidate | Answer) -> Json:
    return {one.name: getattr(item, one.name) for one in fields(item)}


def _plain(values: Mapping[str, Value]) -> Json:
    return {name: plain_value(value) for name, value in values.items()}


def _ref(ref: Ref) -> Json:
    return {"kind": ref.kind.value, "id": ref.id}


def _to_ref(data: Json) -> Ref:
    return Ref(kind=Kind(data["kind"]), id=data["id"])


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
