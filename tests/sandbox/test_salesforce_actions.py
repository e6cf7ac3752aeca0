"""Bells and e-mails: what the two standard actions take in each version, refuse, and leave behind."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from sandbox.org import logged_in
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from connector.sandbox.salesforce import actions
from connector.sandbox.salesforce.users import INTEGRATION_USERNAME, integration_user
from connector.sandbox.server import Sandbox
from connector.sandbox.state import World

BELL = "actions/standard/customNotificationAction"
MAIL = "actions/standard/emailSimple"
DUMMY = "000000000000000AAA"


@pytest.fixture
def kind(org: World) -> str:
    """A type of notification."""
    values = {"DeveloperName": "Handoff", "CustomNotifTypeName": "Handoff", "MasterLabel": "Handoff", "Desktop": True}
    return org.table("CustomNotificationType").insert(values, by="setup").id


@pytest.fixture
def bell(org: World, kind: str, deal: str) -> dict[str, Any]:
    """A notification as it should be, to one user about a deal."""
    user = list(org.table("User").live())[4].id
    return {"customNotifTypeId": kind, "recipientIds": [user], "title": "New", "body": "Handoff", "targetId": deal}


def refused(sf: Salesforce, path: str, given: dict[str, Any]) -> dict[str, Any]:
    """The one error of a refused input."""
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.restful(path, method="POST", json={"inputs": [given]})
    (result,) = caught.value.content
    assert result["isSuccess"] is False
    return result["errors"][0]


def test_a_bell_rings_for_every_recipient_and_again_when_repeated(
    sf: Salesforce, org: World, bell: dict[str, Any], deal: str
) -> None:
    for _ in range(2):
        (result,) = sf.restful(BELL, method="POST", json={"inputs": [bell]})
        assert (result["actionName"], result["isSuccess"], result["errors"]) == ("customNotificationAction", True, None)
    rung = actions.bells_of(org, bell["recipientIds"][0])
    assert [(row.values["Title"], row.values["TargetId"]) for row in rung] == [("New", deal)] * 2


def test_a_person_sees_their_bells_on_the_screen_and_nobody_elses(
    running: Sandbox, sf: Salesforce, org: World, bell: dict[str, Any], deal: str
) -> None:
    sf.restful(BELL, method="POST", json={"inputs": [{**bell, "title": "You are the <CSM>"}]})
    (user,) = bell["recipientIds"]
    other = next(row.id for row in list(org.table("User").live())[5:] if row.values["IsActive"])
    shown = {}
    for person in (user, other):
        cookies = {"acting_sf": person}
        shown[person] = requests.get(f"{running.sf_url}/ui/tasks", cookies=cookies, timeout=10).text
    assert f'<a href="/ui/deals/{deal}">You are the &lt;CSM&gt;</a>' in shown[user]
    assert "You are the" not in shown[other]


def test_a_deal_as_recipient_means_its_team(sf: Salesforce, org: World, bell: dict[str, Any], deal: str) -> None:
    team = [row.id for row in list(org.table("User").live())[3:6]]
    for user in team:
        org.table("OpportunityTeamMember").insert({"OpportunityId": deal, "UserId": user}, by="setup")
    sf.restful(BELL, method="POST", json={"inputs": [{**bell, "recipientIds": [deal, team[0]], "targetId": DUMMY}]})
    assert sorted(row.values["UserId"] for row in org.table(actions.BELLS).live()) == sorted(team)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"targetId": None}, "REQUIRED_FIELD_MISSING"),
        ({"title": ""}, "REQUIRED_FIELD_MISSING"),
        ({"recipientIds": []}, "REQUIRED_FIELD_MISSING"),
        ({"recipientIds": ["005HO0000099999AAA"]}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"customNotifTypeId": "0MLHO0000099999AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"colour": "red"}, "INVALID_INPUT"),
    ],
)
def test_a_bell_that_lacks_something_is_not_rung(
    sf: Salesforce, org: World, bell: dict[str, Any], changes: dict[str, Any], error: str
) -> None:
    assert refused(sf, BELL, bell | changes)["statusCode"] == error
    assert list(org.table(actions.BELLS).live()) == []


def test_who_may_not_send_notifications_cannot(sf: Salesforce, org: World, bell: dict[str, Any]) -> None:
    profile = org.table("User").rows[integration_user(org).id].values["ProfileId"]
    own = next(org.table("PermissionSet").where("ProfileId", [profile]))
    org.table("PermissionSet").update(own.id, {"PermissionsSendCustomNotifications": False}, by="setup")
    assert refused(sf, BELL, bell)["statusCode"] == "INSUFFICIENT_ACCESS"
    assert list(org.table(actions.BELLS).live()) == []


def test_one_refused_input_does_not_undo_the_others(sf: Salesforce, org: World, bell: dict[str, Any]) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.restful(BELL, method="POST", json={"inputs": [bell, {**bell, "targetId": None}]})
    assert [r["isSuccess"] for r in caught.value.content] == [True, False]
    assert len(list(org.table(actions.BELLS).live())) == 1


@pytest.mark.parametrize(
    ("version", "known", "unknown"),
    [
        ("64.0", {"emailAddresses": "a@x.example, b@x.example"}, "recipientAddresses"),
        ("64.0", {"emailAddressesArray": ["a@x.example", "b@x.example"]}, "recipientAddresses"),
        ("65.0", {"recipientAddresses": "a@x.example,b@x.example"}, "emailAddresses"),
    ],
)
def test_the_inputs_of_an_email_have_other_names_since_version_65(
    running: Sandbox, org: World, version: str, known: dict[str, Any], unknown: str
) -> None:
    sf = logged_in(running, INTEGRATION_USERNAME, version=version)
    text = {"emailSubject": "Hello", "emailBody": "Text"}
    names = {i["name"] for i in sf.restful(MAIL)["inputs"]}
    assert set(known) <= names
    assert unknown not in names
    sf.restful(MAIL, method="POST", json={"inputs": [text | known]})
    assert refused(sf, MAIL, text | {unknown: "a@x.example"})["statusCode"] == "INVALID_INPUT"
    (sent,) = org.table(actions.EMAILS).live()
    assert (sent.values["To"], sent.values["Subject"]) == (["a@x.example", "b@x.example"], "Hello")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"recipientAddresses": None}, "REQUIRED_FIELD_MISSING"),
        ({"recipientAddresses": "nobody"}, "INVALID_EMAIL_ADDRESS"),
        ({"recipientAddresses": ",".join(f"u{n}@x.example" for n in range(151))}, "LIMIT_EXCEEDED"),
        ({"emailSubject": None}, "REQUIRED_FIELD_MISSING"),
        ({"senderType": "Me"}, "INVALID_INPUT"),
        ({"senderType": "OrgWideEmailAddress"}, "REQUIRED_FIELD_MISSING"),
    ],
)
def test_an_email_that_cannot_go_out_is_not_kept(
    sf: Salesforce, org: World, changes: dict[str, Any], error: str
) -> None:
    good = {"recipientAddresses": "a@x.example", "emailSubject": "s", "emailBody": "b"}
    assert refused(sf, MAIL, good | changes)["statusCode"] == error
    assert list(org.table(actions.EMAILS).live()) == []


def test_the_actions_there_are_can_be_listed_and_others_are_not_found(sf: Salesforce) -> None:
    assert {a["name"] for a in sf.restful("actions/standard")["actions"]} == {"customNotificationAction", "emailSimple"}
    with pytest.raises(SalesforceResourceNotFound):
        sf.restful("actions/standard/chatterPost", method="POST", json={"inputs": [{}]})


def test_the_limits_name_what_a_connector_watches(sf: Salesforce) -> None:
    found = sf.limits()
    wanted = {"DailyApiRequests", "DailyBulkApiBatches", "DailyBulkV2QueryJobs", "DailyDeliveredPlatformEvents"}
    assert wanted <= set(found)
    assert found["DailyApiRequests"]["Remaining"] < found["DailyApiRequests"]["Max"]
