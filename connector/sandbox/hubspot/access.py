"""Who calls with which token, and what a token lacks for what is asked.

Not how often it may call (`ratelimit.py`), nor the making of OAuth tokens, which `OTHERS` may look up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.sandbox.hubspot.errors import Detail, Refused
from connector.sandbox.hubspot.kinds import kind_of
from connector.sandbox.hubspot.schema import APP, TOKEN

if TYPE_CHECKING:
    from connector.sandbox.state import World

TOKENS = "tokens"
"""Setting: further bearer tokens and whom they stand for, {token: caller}."""
TOKEN_SCOPES = "token_scopes"
"""Setting: what a token may do, {token: [scopes]}; a token that is not named there may do everything."""
TOKEN_KINDS = "token_kinds"
"""Setting: {token: service_key | private_app | project_app | oauth}."""

PRIVATE_APP = "private_app"
OAUTH = "oauth"

UNAUTHENTICATED = "Authentication credentials not found or not valid. This API takes a bearer token."
LACKING = "This app hasn't been granted all required scopes to make this call."


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: an app's name, the kind of its token, and its scopes (None: every one)."""

    name: str
    kind: str = PRIVATE_APP
    scopes: frozenset[str] | None = None


OTHERS: list[Callable[[World, str], Caller | None]] = []
"""Further places that know tokens: asked in order, the first that knows one decides."""


def caller(world: World, authorization: str) -> Caller:
    """The owner of the token in this header. Raises Refused (401)."""
    scheme, _, token = authorization.partition(" ")
    found = _known(world, token) if scheme.lower() == "bearer" else None
    if found is None:
        raise unauthenticated()
    return found


def unauthenticated() -> Refused:
    """The 401 of a token that is missing, unknown or no longer good."""
    return Refused(status=401, category="INVALID_AUTHENTICATION", message=UNAUTHENTICATED)


def allow(who: Caller, area: str, params: Mapping[str, str], *, write: bool) -> None:
    """Let a call pass if the token has a scope for each thing it touches. Raises Refused (403)."""
    if who.scopes is None:
        return
    missing = [group for group in needed(area, params, write=write) if not who.scopes.intersection(group)]
    if missing:
        raise lacking(sorted({scope for group in missing for scope in group}))


def lacking(scopes: Iterable[str]) -> Refused:
    """The 403 that names the scopes of which one would do (facts: HubSpot §3d)."""
    named = list(scopes)
    detail = Detail(
        message="One or more of the following scopes are required.", context={"requiredGranularScopes": named}
    )
    return Refused(status=403, category="MISSING_SCOPES", message=LACKING, details=(detail,))


def needed(area: str, params: Mapping[str, str], *, write: bool) -> list[tuple[str, ...]]:
    """What a call needs: of each group one scope (facts: HubSpot §7).

    Raises Refused (400) for an unknown object type in the path.
    """
    way = "write" if write else "read"
    types = [params[name] for name in ("type", "from", "to") if name in params]
    if area in ("objects", "links", "associations"):
        return [(f"crm.objects.{_scope_object(name)}.{way}",) for name in types]
    if area in ("properties", "property-validations", "pipelines"):
        return [_schema(name, way) for name in types]
    return [_OTHER[(area, way)]] if (area, way) in _OTHER else []


# inside

_ANY_OBJECT = tuple(f"crm.objects.{name}.read" for name in ("companies", "contacts", "deals"))
# facts: HubSpot §7, §4 (pipeline rules), §5 (limits need an object scope)
_OTHER: dict[tuple[str, str], tuple[str, ...]] = {
    ("owners", "read"): ("crm.objects.owners.read",),
    ("limits", "read"): _ANY_OBJECT,
    ("pipelines-rules", "read"): ("crm-pipelines-governance-read",),
    ("pipelines-rules", "write"): ("crm-pipelines-governance-write",),
    ("stage-edit-permissions", "read"): ("crm-pipelines-locked-stages-read",),
    ("stage-edit-permissions", "write"): ("crm-pipelines-locked-stages-write",),
    ("approvals", "read"): ("deal-approval-read",),
    ("flows", "read"): ("automation",),
}


def _known(world: World, token: str) -> Caller | None:
    named: dict[str, str] = {TOKEN: APP, **world.settings.get(TOKENS, {})}
    if token in named:
        scopes = world.settings.get(TOKEN_SCOPES, {}).get(token)
        kind = world.settings.get(TOKEN_KINDS, {}).get(token, PRIVATE_APP)
        return Caller(name=named[token], kind=kind, scopes=None if scopes is None else frozenset(scopes))
    return next((found for ask in OTHERS if (found := ask(world, token)) is not None), None)


def _scope_object(name: str) -> str:
    # Activities have no scope of their own: those of contacts cover them (facts: HubSpot §6).
    kind = kind_of(name)
    return "contacts" if kind.engagement else kind.table


def _schema(name: str, way: str) -> tuple[str, ...]:
    # To read a definition the object's own scope is enough; to change one of an activity the specs list its own too.
    kind, shared = kind_of(name), _scope_object(name)
    if way == "read":
        return (f"crm.schemas.{shared}.read", f"crm.objects.{shared}.read")
    own = (f"crm.schemas.{kind.table}.write",) if kind.engagement else ()
    return (f"crm.schemas.{shared}.write", *own)
