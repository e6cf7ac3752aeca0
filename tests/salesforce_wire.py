"""A Salesforce adapter whose wire is played by `responses`: for answers no well-behaved sandbox gives.

Not here: expectations. Nothing sleeps; waits asked for are kept in ``Rig.waits``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import responses
from contract.maps import salesforce_map

from connector.clock import ManualClock
from connector.crm.salesforce.adapter import SalesforceCRM, connect_salesforce
from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.salesforce.session import SalesforceSession
from connector.handoff.model import SystemName

HOST = "https://acme.my.salesforce.com"
DATA = f"{HOST}/services/data/v67.0/"
TOKEN = f"{HOST}/services/oauth2/token"
ORG, USER = "00D000000000001AAA", "005000000000009AAA"
NOW = datetime(2026, 11, 2, 9, 30, 20, tzinfo=UTC)
DATE = "Mon, 02 Nov 2026 09:30:20 GMT"
EXPIRED = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
HTML = "<html><body>Down for maintenance</body></html>"


@dataclass
class Rig:
    """One adapter, the calls it counted and the waits it asked for."""

    crm: SalesforceCRM
    calls: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    @property
    def session(self) -> SalesforceSession:
        """The line under the adapter."""
        return self.crm.session


def a_rig(mock: responses.RequestsMock, *, login: SalesforceLogin | None = None, **options: Any) -> Rig:
    """An adapter that can log in as often as it likes."""
    mock.add(responses.POST, TOKEN, json=token(), headers={"Date": DATE})
    calls: Counter[str] = Counter()
    waits: list[float] = []
    crm = connect_salesforce(
        system=SystemName("sf"),
        map=salesforce_map(),
        login=login or SalesforceLogin(HOST, client_id="app", client_secret="hush"),
        on_call=lambda label: calls.update([label]),
        clock=ManualClock(NOW),
        sleep=waits.append,
        **options,
    )
    return Rig(crm, calls, waits)


def token(access: str = "first") -> dict[str, str]:
    """A token answer."""
    return {
        "access_token": access,
        "instance_url": HOST,
        "id": f"https://login.salesforce.com/id/{ORG}/{USER}",
        "token_type": "Bearer",
    }


def records(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A query's answer."""
    return {"totalSize": len(rows), "done": True, "records": list(rows), **more}


def wire_time(at: datetime) -> str:
    """A datetime as the vendor writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def seconds_ago(seconds: float) -> datetime:
    """Before the rig's now."""
    return NOW - timedelta(seconds=seconds)


Handler = Callable[[Any], tuple[int, dict[str, str], str]]
