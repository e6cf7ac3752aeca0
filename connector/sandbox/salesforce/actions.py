"""Standard invocable actions: the bell notification and the plain e-mail, each kept where tests and screens find it.

Not idempotent: every call rings and mails again. Facts: Salesforce §6.4, §6.5. What the facts leave unconfirmed is
done as follows: the answer is a list with one entry per input, with status 200 when all went well and 400 otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.sandbox.salesforce import permissions
from connector.sandbox.salesforce.ask import Ask, Reply
from connector.sandbox.salesforce.catalog import catalog
from connector.sandbox.salesforce.errors import ApiError, not_found
from connector.sandbox.salesforce.ids import canonical, make_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

BELLS, EMAILS = "Bell", "Email"
"""Tables of what was sent; no API shows them."""

PREFIXES = {BELLS: "0KN", EMAILS: "02s"}
NEW_EMAIL_NAMES = 65.0
"""From this version on emailSimple names its inputs anew (facts: Salesforce §6.4)."""

NO_TARGET = "000000000000000AAA"
MAX_RECIPIENTS = 500
MAX_ADDRESSES = 150
SENDERS = ("CurrentUser", "DefaultWorkflowUser", "OrgWideEmailAddress")
TEAM_OF = {"Account": ("AccountTeamMember", "AccountId"), "Opportunity": ("OpportunityTeamMember", "OpportunityId")}
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Input:
    """One input of an action, as its describe shows it."""

    name: str
    type: str = "STRING"
    required: bool = False
    many: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """One standard action: its inputs by API version, and what it does with one set of them."""

    name: str
    label: str
    inputs: Callable[[float], tuple[Input, ...]]
    run: Callable[[Ask, Values], Values]


def add_tables(world: World) -> None:
    """Where bells and e-mails are kept."""
    world.add_table(BELLS, indexed=("UserId",))
    world.add_table(EMAILS)


def bells_of(world: World, user_id: str) -> list[Row]:
    """The bell notifications of a user, newest first."""
    return sorted(world.table(BELLS).where("UserId", [user_id]), key=lambda row: row.id, reverse=True)


def every(ask: Ask) -> Reply:
    """GET /actions/standard: the actions there are."""
    base = f"/services/data/v{ask.version}/actions/standard"
    shown = [
        {"name": a.name, "label": a.label, "type": a.name.upper(), "url": f"{base}/{a.name}"} for a in ACTIONS.values()
    ]
    return Reply(200, {"actions": shown})


def describe(ask: Ask) -> Reply:
    """GET /actions/standard/X: its inputs in this version."""
    action = _action(ask)
    inputs = [
        {"name": i.name, "label": i.name, "type": i.type, "required": i.required, "maxOccurs": 200 if i.many else 1}
        for i in action.inputs(float(ask.version))
    ]
    return Reply(200, {"name": action.name, "label": action.label, "standard": True, "inputs": inputs, "outputs": []})


def invoke(ask: Ask) -> Reply:
    """POST /actions/standard/X: run it once per entry of `inputs`."""
    action = _action(ask)
    inputs = ask.fields_of().get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
        raise ApiError("INVALID_INPUT", "inputs must be a list of objects")
    results = [_one(ask, action, given) for given in inputs]
    done = [r["isSuccess"] for r in results]
    ask.count(sum(done), write=any(done))
    return Reply(200 if all(done) else 400, results)


def _action(ask: Ask) -> Action:
    found = ACTIONS.get(ask.path[2].lower())
    if found is None:
        raise not_found()
    return found


def _one(ask: Ask, action: Action, given: Values) -> Values:
    try:
        _check_inputs(action.inputs(float(ask.version)), given)
        outputs, errors = action.run(ask, given), None
    except ApiError as error:
        outputs, errors = {}, [error.row()]
    return {
        "actionName": action.name,
        "errors": errors,
        "isSuccess": errors is None,
        "outputValues": {"SUCCESS": errors is None, **outputs},
    }


def _check_inputs(known: tuple[Input, ...], given: Values) -> None:
    names = {one.name for one in known}
    for name in given:
        if name not in names:
            raise ApiError("INVALID_INPUT", f"The input parameter {name} isn't valid for this action", (name,))
    missing = [one.name for one in known if one.required and given.get(one.name) in (None, "", [])]
    if missing:
        raise ApiError("REQUIRED_FIELD_MISSING", f"Missing required input parameter: {missing[0]}", (missing[0],))


# the bell


def _bell_inputs(_version: float) -> tuple[Input, ...]:
    return (
        Input("customNotifTypeId", required=True),
        Input("recipientIds", required=True, many=True),
        Input("title", required=True),
        Input("body", required=True),
        Input("targetId"),
        Input("targetPageRef"),
    )


def _ring(ask: Ask, given: Values) -> Values:
    if not permissions.has(ask.world, ask.user.id, "SendCustomNotifications"):
        raise ApiError("INSUFFICIENT_ACCESS", "The user needs the Send Custom Notifications permission")
    if not given.get("targetId") and not given.get("targetPageRef"):
        raise ApiError("REQUIRED_FIELD_MISSING", "Specify a targetId or a targetPageRef", ("targetId",))
    kind = ask.world.table("CustomNotificationType").get(canonical(str(given["customNotifTypeId"])) or "")
    if kind is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ("customNotifTypeId",))
    recipients = given["recipientIds"]
    if not isinstance(recipients, list) or len(recipients) > MAX_RECIPIENTS:
        raise ApiError("INVALID_INPUT", f"recipientIds must be a list of up to {MAX_RECIPIENTS} ids", ("recipientIds",))
    users = dict.fromkeys(user for one in recipients for user in _users(ask.world, str(one)))
    for user in users:
        values = {
            "UserId": user,
            "TypeId": kind.id,
            "Title": given["title"],
            "Body": given["body"],
            "TargetId": None if given.get("targetId") == NO_TARGET else given.get("targetId"),
        }
        _keep(ask, BELLS, values)
    return {}


def _users(world: World, recipient: str) -> list[str]:
    found = canonical(recipient)
    kind = catalog(world).object_of(found) if found else None
    row = world.table(kind).get(found) if kind and found else None
    if row is None or (kind != "User" and kind not in TEAM_OF):
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", f"invalid recipient id: {recipient}", ("recipientIds",))
    if kind == "User":
        return [row.id]
    team, parent = TEAM_OF[str(kind)]
    return [str(member.values["UserId"]) for member in world.table(team).where(parent, [row.id])]


# the e-mail


def _email_inputs(version: float) -> tuple[Input, ...]:
    old = (Input("emailAddresses"), Input("emailAddressesArray", many=True))
    new = (Input("recipientAddresses"), Input("ccAddresses"), Input("bccAddresses"), Input("recipientId"))
    return (
        *(new if version >= NEW_EMAIL_NAMES else old),
        Input("emailSubject", required=True),
        Input("emailBody", required=True),
        Input("senderType"),
        Input("senderAddress"),
        Input("sendRichBody", "BOOLEAN"),
        Input("logEmailOnSend", "BOOLEAN"),
        Input("relatedRecordId"),
    )


def _mail(ask: Ask, given: Values) -> Values:
    sender = given.get("senderType") or "CurrentUser"
    if sender not in SENDERS:
        raise ApiError("INVALID_INPUT", f"senderType must be one of {', '.join(SENDERS)}", ("senderType",))
    if sender == "OrgWideEmailAddress" and not given.get("senderAddress"):
        raise ApiError("REQUIRED_FIELD_MISSING", "senderAddress is required for this senderType", ("senderAddress",))
    to = [*_addresses(given, "recipientAddresses", "emailAddresses", "emailAddressesArray"), *_named(ask, given)]
    copies = _addresses(given, "ccAddresses", "bccAddresses")
    if not to:
        raise ApiError("REQUIRED_FIELD_MISSING", "Specify at least one recipient")
    if len(to) + len(copies) > MAX_ADDRESSES:
        raise ApiError("LIMIT_EXCEEDED", f"at most {MAX_ADDRESSES} addresses in all")
    values = {
        "To": to,
        "Copies": copies,
        "Subject": given["emailSubject"],
        "Body": given["emailBody"],
        "Sender": given.get("senderAddress") or sender,
        "RelatedTo": given.get("relatedRecordId"),
    }
    _keep(ask, EMAILS, values)
    return {}


def _addresses(given: Values, *names: str) -> list[str]:
    found: list[str] = []
    for name in names:
        value = given.get(name) or []
        found += value if isinstance(value, list) else [part.strip() for part in str(value).split(",") if part.strip()]
    wrong = next((one for one in found if "@" not in str(one)), None)
    if wrong is not None:
        raise ApiError("INVALID_EMAIL_ADDRESS", f"Invalid email address: {wrong}")
    return [str(one) for one in found]


def _named(ask: Ask, given: Values) -> list[str]:
    if not given.get("recipientId"):
        return []
    found = canonical(str(given["recipientId"])) or ""
    row = ask.world.table("User").get(found) or ask.world.table("Contact").get(found)
    if row is None or not row.values.get("Email"):
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid recipient id", ("recipientId",))
    return [str(row.values["Email"])]


def _keep(ask: Ask, table: str, values: Values) -> None:
    world = ask.world
    world.counters[table] += 1
    world.table(table).insert(values, by=ask.user.id, id=make_id(PREFIXES[table], world.counters[table]))


ACTIONS = {
    action.name.lower(): action
    for action in (
        Action("customNotificationAction", "Send Custom Notification", _bell_inputs, _ring),
        Action("emailSimple", "Send Email", _email_inputs, _mail),
    )
}
