"""Logging in to one Salesforce org: client credentials, a signed assertion, or a token that an admin hands over.

Not here: when a token is renewed (``session``). Asked for by ourselves: the SDK knows no timeouts here and no other
address than salesforce.com (facts: Salesforce §4.1, §4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import jwt
import requests

from connector.crm.salesforce.faults import of_token
from connector.errors import CrmError, Fault, FaultCode

API_VERSION = "67.0"
"""facts: Salesforce §4.1, §4.4"""

JWT_LIFE = timedelta(minutes=3)
SKEW_BORNE = timedelta(seconds=30)
"""A machine's clock further off than this gets its assertion signed again by the org's clock: one that is late signs
assertions that are over already, one that is early signs for too long ahead."""

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path, not a secret
WHO_PATH = "/services/oauth2/userinfo"
GRANT_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class SalesforceLogin:
    """How to log in: an ``access_token`` as it is, else client credentials when ``client_secret`` is set, else JWT
    bearer with ``private_key`` (PEM).

    ``base_url`` is the org's My Domain address, of a sandbox too; plain http only for loopback. ``org_id`` pins the org
    when set. A handed-over token cannot be renewed: it serves a person's one command, not the daemon.
    """

    base_url: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    username: str = ""
    private_key: str = field(default="", repr=False)
    audience: str = "https://login.salesforce.com"
    access_token: str = field(default="", repr=False)
    org_id: str = ""
    api_version: str = API_VERSION


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token speaks for: 18-character ids."""

    org_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Token:
    """A session: its access token, the org's own address, and whose it is."""

    access: str = field(repr=False)
    instance_url: str
    identity: Identity


def log_in(login: SalesforceLogin, http: requests.Session, *, now: datetime) -> Token:
    """A fresh token. Raises `CrmError`; what requests raises is left to the caller."""
    token = _handed_over(login, http) if login.access_token else _granted(login, http, now=now)
    if login.org_id and login.org_id[:15] != token.identity.org_id[:15]:
        words = f"this login belongs to org {token.identity.org_id}, not to {login.org_id}"
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "WRONG_ORG", words))
    return token


def _granted(login: SalesforceLogin, http: requests.Session, *, now: datetime) -> Token:
    reply = _ask(login, http, now=now)
    told = _json(reply)
    theirs = _date(reply)
    if not _is_token(reply, told) and not login.client_secret and theirs and abs(theirs - now) > SKEW_BORNE:
        # The org refuses by its own clock, so that is the one to sign by.
        reply = _ask(login, http, now=theirs)
        told = _json(reply)
    if not _is_token(reply, told):
        raise CrmError(of_token(reply.status_code, told))
    return Token(
        access=str(told["access_token"]),
        instance_url=str(told.get("instance_url") or login.base_url),
        identity=_identity(str(told.get("id", ""))),
    )


def _ask(login: SalesforceLogin, http: requests.Session, *, now: datetime) -> requests.Response:
    form = {"grant_type": "client_credentials"}
    auth: tuple[str, str] | None = (login.client_id, login.client_secret)
    if not login.client_secret:
        form, auth = {"grant_type": GRANT_JWT, "assertion": _assertion(login, now=now)}, None
    return http.post(
        login.base_url.rstrip("/") + TOKEN_PATH,
        data=form,
        auth=auth,
        headers={"Accept": "application/json"},
        allow_redirects=False,
    )


def _handed_over(login: SalesforceLogin, http: requests.Session) -> Token:
    reply = http.get(
        login.base_url.rstrip("/") + WHO_PATH,
        headers={"Accept": "application/json", "Authorization": f"Bearer {login.access_token}"},
        allow_redirects=False,
    )
    told = _json(reply)
    if reply.status_code != requests.codes.ok or not isinstance(told, Mapping) or not told.get("organization_id"):
        raise CrmError(of_token(reply.status_code, told))
    identity = Identity(org_id=str(told["organization_id"]), user_id=str(told.get("user_id") or ""))
    return Token(access=login.access_token, instance_url=login.base_url, identity=identity)


def _is_token(reply: requests.Response, told: Any) -> bool:
    return reply.status_code == requests.codes.ok and isinstance(told, Mapping) and bool(told.get("access_token"))


def _assertion(login: SalesforceLogin, *, now: datetime) -> str:
    claims = {"iss": login.client_id, "sub": login.username, "aud": login.audience, "exp": now + JWT_LIFE}
    try:
        return jwt.encode(claims, login.private_key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        words = f"the private key cannot sign: {type(error).__name__}; it must be an RSA key in PEM form"
        raise CrmError(Fault(FaultCode.AUTH_REVOKED, "BAD_PRIVATE_KEY", words)) from error


def _identity(address: str) -> Identity:
    """From ``https://login.salesforce.com/id/<org>/<user>``; there is no cheaper way to learn either."""
    parts = address.rstrip("/").split("/")
    return Identity(org_id=parts[-2], user_id=parts[-1]) if len(parts) >= 3 else Identity("", "")


def _json(reply: requests.Response) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


def _date(reply: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(reply.headers.get("Date", "")).astimezone(UTC)
    except ValueError:
        return None
