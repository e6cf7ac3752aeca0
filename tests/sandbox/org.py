"""A client of the Salesforce sandbox that is logged in as a user of one's choice.

Not a fixture: a test may want several users at once.
"""

from __future__ import annotations

import requests
from sandbox.conftest import ToLoopback
from simple_salesforce.api import Salesforce

from connector.sandbox.salesforce.users import ADMIN_USERNAME
from connector.sandbox.server import Sandbox


def logged_in(sandbox: Sandbox, username: str = ADMIN_USERNAME, *, version: str = "66.0") -> Salesforce:
    """A client that holds a token of this user, as an admin's own tools do."""
    answer = requests.post(f"{sandbox.control_url}/token", json={"username": username}, timeout=10)
    assert answer.status_code == 200, answer.text
    session = requests.Session()
    session.mount("https://", ToLoopback(sandbox.sf_url))
    token = answer.json()["access_token"]
    return Salesforce(session_id=token, instance="seller.my.salesforce.com", session=session, version=version)
