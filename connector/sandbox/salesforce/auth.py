"""The token endpoint: client credentials, JWT bearer and logging out, and the sessions that tokens stand for.

Not SOAP login and not the password grant: neither works against a present-day org (facts: Salesforce §4.4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import jwt

from connector.sandbox.salesforce.errors import ApiError, OAuthError
from connector.sandbox.salesforce.users import admin_user, integration_user, org_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector.sandbox.rows import Row
    from connector.sandbox.state import World

CLIENT_ID = "handoff-daemon"
CLIENT_SECRET = "sandbox-secret"
ADMIN_CLIENT_ID = "handoff-admin"
ADMIN_CLIENT_SECRET = "sandbox-admin-secret"
PERSON_CLIENT = "person"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_KEY_SETTING = "jwt_public_key"
LOGIN_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


def token(world: World, form: Mapping[str, str], authorization: str, base_url: str) -> dict[str, str]:
    """Answer a token request with a new session. Raises OAuthError."""
    grant = form.get("grant_type", "")
    if grant == "client_credentials":
        user = _by_secret(world, *_credentials(form, authorization))
    elif grant == JWT_GRANT:
        user = _by_assertion(world, form.get("assertion", ""), base_url)
    else:
        raise OAuthError("unsupported_grant_type", "grant type not supported")
    if not user.values.get("IsActive"):
        raise OAuthError("invalid_grant", "inactive user")
    return _session(world, user, base_url)


def new_token(world: World, user: Row) -> str:
    """A session of this user, begun without an app: what an admin copies from a tool that is logged in."""
    access = f"{org_id(world)[:15]}!{secrets.token_urlsafe(36)}"
    _sessions(world)[access] = user.id
    return access


def revoke(world: World, given: str) -> None:
    """Log out: make one token worthless, as npm jsforce asks for it. Raises OAuthError for what is no token."""
    if _sessions(world).pop(given, None) is None:
        raise OAuthError("invalid_token", "the token is not one of this org")


def end_sessions(world: World) -> None:
    """Make every token given out so far worthless."""
    _sessions(world).clear()


def caller(world: World, authorization: str) -> Row:
    """The user a request's token stands for. Raises ApiError INVALID_SESSION_ID."""
    scheme, _, given = authorization.partition(" ")
    user_id = _sessions(world).get(given) if scheme.lower() in ("bearer", "oauth") else None
    user = world.table("User").get(user_id) if user_id else None
    if user is None:
        raise ApiError("INVALID_SESSION_ID", "Session expired or invalid")
    return user


def identity(world: World, user: Row, base_url: str) -> dict[str, Any]:
    """What the identity and userinfo URLs tell about a user."""
    return {
        "id": identity_url(world, user, base_url),
        "user_id": user.id,
        "organization_id": org_id(world),
        "username": user.values["Username"],
        "preferred_username": user.values["Username"],
        "display_name": user.values.get("Name"),
        "name": user.values.get("Name"),
        "email": user.values.get("Email"),
        "active": bool(user.values.get("IsActive")),
        "urls": {"rest": f"{base_url}/services/data/v{{version}}/"},
    }


def identity_url(world: World, user: Row, base_url: str) -> str:
    """The address that names a user of an org; the org id can be read from it."""
    return f"{base_url}/id/{org_id(world)}/{user.id}"


def _credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "invalid client credentials") from error
    return client, secret


def _by_secret(world: World, client: str, secret: str) -> Row:
    if (client, secret) == (CLIENT_ID, CLIENT_SECRET):
        return integration_user(world)
    if (client, secret) == (ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET):
        return admin_user(world)
    person = world.table("User").find_unique("Username", secret) if client == PERSON_CLIENT else None
    if person is not None:
        return person
    if client in (CLIENT_ID, ADMIN_CLIENT_ID, PERSON_CLIENT):
        raise OAuthError("invalid_client", "invalid client credentials")
    raise OAuthError("invalid_client_id", "client identifier invalid")


def _by_assertion(world: World, assertion: str, base_url: str) -> Row:
    key = world.settings.get(JWT_KEY_SETTING)
    if not key:
        raise OAuthError("invalid_grant", "no certificate is registered for this app")
    try:
        claims = jwt.decode(assertion, key, algorithms=["RS256"], options={"verify_aud": False, "require": ["exp"]})
    except jwt.ExpiredSignatureError as error:
        raise OAuthError("invalid_grant", "expired authorization code") from error
    except jwt.PyJWTError as error:
        raise OAuthError("invalid_grant", "invalid assertion") from error
    audience = str(claims.get("aud", ""))
    if audience not in (*LOGIN_AUDIENCES, base_url) and not audience.endswith(".my.salesforce.com"):
        raise OAuthError("invalid_grant", "audience is invalid")
    if claims.get("iss") not in (CLIENT_ID, ADMIN_CLIENT_ID):
        raise OAuthError("invalid_client_id", "client identifier invalid")
    user = world.table("User").find_unique("Username", claims.get("sub", ""))
    if user is None:
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")
    return user


def _session(world: World, user: Row, base_url: str) -> dict[str, str]:
    access = new_token(world, user)
    issued = str(int(world.clock.now().timestamp() * 1000))
    name = identity_url(world, user, base_url)
    # No expires_in: how long a session lasts is the org's policy (facts: Salesforce §4.4).
    return {
        "access_token": access,
        "instance_url": base_url,
        "id": name,
        "token_type": "Bearer",
        "issued_at": issued,
        "signature": base64.b64encode(hashlib.sha256((name + issued).encode()).digest()).decode(),
    }


def _sessions(world: World) -> dict[str, str]:
    found: dict[str, str] = world.scratch.setdefault("sessions", {})
    return found
