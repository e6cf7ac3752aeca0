"""A running sandbox and the vendor's own Python client pointed at it.

The client always builds https addresses; the adapter sends them to loopback over plain http.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from metadata_files import Admin
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from connector.sandbox.salesforce.auth import new_token
from connector.sandbox.salesforce.users import admin_user
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

TIMEOUT_S = 20


class ToLoopback(HTTPAdapter):
    """Sends every request to one base URL, whatever host it names."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        path = request.url.split("/", 3)[3]
        request.url = f"{self._base_url}/{path}"
        kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT_S
        return super().send(request, *args, **kwargs)


@pytest.fixture
def running() -> Iterator[Sandbox]:
    """A sandbox with schema and people only."""
    with Sandbox.running() as sandbox:
        yield sandbox


@pytest.fixture
def org(running: Sandbox) -> World:
    """The Salesforce org's rows."""
    return running.sf


@pytest.fixture
def session(running: Sandbox) -> requests.Session:
    """A session whose https calls reach the org."""
    found = requests.Session()
    found.mount("https://", ToLoopback(running.sf_url))
    return found


@pytest.fixture
def sf(session: requests.Session) -> Salesforce:
    """simple-salesforce, logged in with client credentials."""
    return Salesforce(
        consumer_key="handoff-daemon",
        consumer_secret="sandbox-secret",
        domain="seller.my",
        session=session,
        version="66.0",
    )


@pytest.fixture
def deal(org: World) -> str:
    """The id of an open deal with an account."""
    account = org.table("Account").insert({"Name": "Acme"}, by="setup").id
    values = {"Name": "Acme first", "StageName": "Prospecting", "CloseDate": "2026-12-01", "AccountId": account}
    return org.table("Opportunity").insert(values, by="setup").id


@pytest.fixture
def bare() -> Iterator[Sandbox]:
    """A sandbox whose org has no handoff fields."""
    with Sandbox.running(bare_salesforce=True) as sandbox:
        yield sandbox


@pytest.fixture
def admin(bare: Sandbox) -> Admin:
    """Someone who may change the bare org's setup."""
    return Admin(bare.sf_url, new_token(bare.sf, admin_user(bare.sf)))


@pytest.fixture
def admin_sf(admin: Admin) -> Salesforce:
    """simple-salesforce with the session of the bare org's admin."""
    session = requests.Session()
    session.mount("https://", ToLoopback(admin.url))
    return Salesforce(instance="seller.my.salesforce.com", session_id=admin.token, session=session, version="66.0")


@pytest.fixture
def mdapi(admin_sf: Salesforce, admin: Admin) -> Any:
    """simple-salesforce's SOAP client of the Metadata API, which has a session of its own."""
    found = admin_sf.mdapi
    found._client.transport.session.mount("https://", ToLoopback(admin.url))
    return found
