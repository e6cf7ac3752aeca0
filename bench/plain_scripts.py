"""The plain scripts: what somebody writes with the SDK's documentation open, one record at a time.

Not here: what is written (``plain``) and timing it. No batches, no ledger, no retries; connections are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from hubspot import HubSpot
from hubspot.crm import companies, deals
from hubspot.crm.objects import notes, tasks
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from connector.cli.demo_parts import SANDBOX_SECRETS

SF_TASK_FIELDS = (
    "Subject", "Description", "ActivityDate", "OwnerId", "Status", "Priority", "IsReminderSet", "ReminderDateTime",
    "Handoff_Key__c",
)  # fmt: skip
SF_NOTE_FIELDS = ("Title", "Body", "OwnerId")
HS_LINKS: Mapping[str, tuple[int, int]] = {"tasks": (216, 192), "notes": (214, 190)}
"""Association types of a task and a note to its deal and its company (facts: HubSpot §3c)."""


@dataclass(frozen=True, slots=True)
class Job:
    """One handoff to write, in the vendor's own names and values."""

    deal: str
    account: str
    deal_values: Mapping[str, Any]
    account_values: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    notes: Sequence[Mapping[str, Any]]


class _Plain(HTTPAdapter):
    """simple-salesforce speaks https only; the sandbox on loopback has none."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


def salesforce(url: str, jobs: Sequence[Job]) -> None:
    """Hand off each deal on its own. Raises what simple-salesforce raises."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Plain())
    login = session.post(
        f"{url}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(SANDBOX_SECRETS["SF_CLIENT_ID"], SANDBOX_SECRETS["SF_CLIENT_SECRET"]),
        timeout=30,
    )
    # Typed loosely: the SDK makes its objects up by name, which a type checker cannot follow.
    sf: Any = Salesforce(
        instance=urlsplit(url).netloc, session_id=login.json()["access_token"], session=session, version="66.0"
    )
    for job in jobs:
        sf.Opportunity.get(job.deal)
        sf.Account.get(job.account)
        sf.Account.update(job.account, _json(job.account_values))
        for task in job.tasks:
            sf.Task.create(_json({name: task[name] for name in SF_TASK_FIELDS if name in task}) | {"WhatId": job.deal})
        for note in job.notes:
            sf.Note.create(
                _json({name: note[name] for name in SF_NOTE_FIELDS if name in note}) | {"ParentId": job.deal}
            )
        sf.Opportunity.update(job.deal, _json(job.deal_values))


def hubspot(url: str, jobs: Sequence[Job]) -> None:
    """Hand off each deal on its own. Raises what hubspot-api-client raises."""
    client = HubSpot(access_token=SANDBOX_SECRETS["HS_ACCESS_TOKEN"], host=url)
    # Each access to basic_api builds a new connection pool, so they are kept.
    crm = client.crm
    of_deals, of_companies = crm.deals.basic_api, crm.companies.basic_api
    of_tasks, of_notes = crm.objects.tasks.basic_api, crm.objects.notes.basic_api
    for job in jobs:
        of_deals.get_by_id(job.deal, properties=["dealname", "dealstage", "amount", "hubspot_owner_id"])
        of_companies.get_by_id(job.account, properties=["name", "industry", "country", "handoff_csm"])
        of_companies.update(job.account, companies.SimplePublicObjectInput(properties=dict(job.account_values)))
        for task in job.tasks:
            of_tasks.create(
                tasks.SimplePublicObjectInputForCreate(properties=dict(task), associations=_links("tasks", job))
            )
        for note in job.notes:
            of_notes.create(
                notes.SimplePublicObjectInputForCreate(properties=dict(note), associations=_links("notes", job))
            )
        of_deals.update(job.deal, deals.SimplePublicObjectInput(properties=dict(job.deal_values)))


SCRIPTS: Mapping[str, Callable[[str, Sequence[Job]], None]] = {"sf": salesforce, "hs": hubspot}


def _links(object_name: str, job: Job) -> list[dict[str, Any]]:
    return [
        {"to": {"id": to_id}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}
        for to_id, type_id in zip((job.deal, job.account), HS_LINKS[object_name], strict=True)
    ]


def _json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return value.isoformat() if isinstance(value, date) else value
