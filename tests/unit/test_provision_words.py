"""What an admin reads of a plan and is asked before it is done. Not here: what the plan holds."""

from __future__ import annotations

import dataclasses

import pytest
from click.testing import CliRunner
from hubspot_provision import MAP as HS_MAP
from hubspot_provision import POLICY as HS_POLICY
from hubspot_provision import WANTED as HS_WANTED
from hubspot_provision import a_state
from provision_parts import WANTED, an_org, installed

from connector.cli import provision_show as show
from connector.crm.hubspot.provision import compare as hubspot_compare
from connector.crm.hubspot.provision.clicks import clicks
from connector.crm.hubspot.provision.installer import site as hubspot_site
from connector.crm.hubspot.provision.items import ProvisionPlan
from connector.crm.hubspot.provision.portal import Account
from connector.crm.installer import Do, Survey
from connector.crm.salesforce.provision.apply import LeftRunning
from connector.crm.salesforce.provision.compare import compare
from connector.crm.salesforce.provision.install import Look
from connector.crm.salesforce.provision.installer import left_running, survey
from connector.crm.salesforce.provision.org import OrgState
from connector.errors import Fault, FaultCode, Problem


def a_page(org: OrgState, **changes: object) -> show.Page:
    page = show.Page("sf", survey(Look("67.0", WANTED, org, compare(WANTED, org))), "", removing=False)
    return dataclasses.replace(page, **changes)  # type: ignore[arg-type]


def test_the_closing_hint_repeats_the_options_that_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    show.tell_next(a_page(an_org(), given="--token-env SF_ADMIN_TOKEN --ledger"), applying=False)
    assert "  handoff provision sf --token-env SF_ADMIN_TOKEN --ledger --apply\n" in capsys.readouterr().out


def test_a_plan_that_only_gives_a_permission_set_counts_it(capsys: pytest.CaptureFixture[str]) -> None:
    org = an_org(*installed())
    plan = compare(WANTED, org, integration_user="005", holds="Handoff_Integration")
    show.tell_next(a_page(org, survey=survey(Look("67.0", WANTED, org, plan))), applying=False)
    assert "1 to be given or taken. Nothing was written." in " ".join(capsys.readouterr().out.split())


def test_numbers_are_told_as_setup_counts_them() -> None:
    made = {one.name: one.detail for one in compare(WANTED, an_org()).of(Do.CREATE)}
    assert made["Opportunity.Handoff_TTFT_Hours__c"] == "Number(16, 2)"
    assert made["Opportunity.Handoff_Percent__c"] == "Number(3, 0)"
    assert made["Opportunity.Handoff_Champion__c"] == "Text(255)"


def test_at_a_terminal_no_line_is_wider_than_people_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show.tell_plan(a_page(an_org()))
    whole = capsys.readouterr().out.splitlines()
    assert max(map(len, whole)) > 200, "a program reads whole lines"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "150")
    show.tell_plan(a_page(an_org()))
    lines = [line for line in capsys.readouterr().out.splitlines() if "─" not in line]
    assert max(len(line) for line in lines) <= show.WIDEST + len("\x1b[2m\x1b[0m")


@pytest.mark.parametrize(
    ("is_sandbox", "typed", "goes_on"),
    [
        (True, "y", True),
        (True, "", False),
        (False, "y", False),
        (False, "", False),
        (False, "00D000000000001AAA", True),
        (False, "00D000000000001", True),
        (False, "00D000000000002AAA", False),
    ],
)
def test_a_production_org_is_written_to_only_by_name(is_sandbox: bool, typed: str, goes_on: bool) -> None:
    org = an_org(is_sandbox=is_sandbox, name="Seller GmbH")
    with CliRunner().isolation(input=f"{typed}\n") as (out, *_):
        assert show.asked_to_apply(a_page(org)) is goes_on
        said = out.getvalue().decode()
    assert "Seller GmbH 00D000000000001AAA" in said
    assert ("PRODUCTION" in said) is not is_sandbox


def test_a_deploy_whose_end_was_not_seen_is_named() -> None:
    fault = Fault(FaultCode.AUTH_REVOKED, "INVALID_SESSION_ID", "Session expired")
    words = left_running(LeftRunning("0Af1", check_only=False, fault=fault), system="sf")
    assert "0Af1 goes on in the org" in words
    assert "Session expired" in words
    assert "nothing was deployed" in left_running(LeftRunning("0Af1", check_only=True, fault=fault), system="sf")


# a portal in the same words


def a_portal(type: str = "STANDARD", **changes: object) -> show.Page:
    state = dataclasses.replace(a_state(), account=Account("4242001", type))
    items = (*hubspot_compare.compare(HS_WANTED, state), *clicks(HS_MAP, HS_POLICY, HS_WANTED, state))
    found = Survey(hubspot_site(state.account), ProvisionPlan(items))
    return show.Page("hs", dataclasses.replace(found, **changes), "", removing=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type", "typed", "goes_on"),
    [
        ("SANDBOX", "y", True),
        ("DEVELOPER_TEST", "", False),
        ("STANDARD", "y", False),
        ("STANDARD", "4242001", True),
        ("OF_A_NEW_KIND", "y", False),
    ],
)
def test_where_everybody_works_the_portals_id_is_asked_for(type: str, typed: str, goes_on: bool) -> None:
    with CliRunner().isolation(input=f"{typed}\n") as (out, *_):
        assert show.asked_to_apply(a_portal(type)) is goes_on
        said = out.getvalue().decode()
    assert "portal 4242001" in said
    assert ("PRODUCTION" in said) is (type not in ("SANDBOX", "DEVELOPER_TEST"))


def test_clicks_are_numbered_and_what_stands_in_the_way_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem("limits", "custom properties", "27 would be made, and there is room for 10")
    page = a_portal(problems=(problem,), lacking=("deals: crm.schemas.deals.write",))
    show.tell_plan(page)
    show.tell_next(page, applying=True)
    said = capsys.readouterr().out
    assert "      1. Settings (the gear) → Properties → Deal properties → Deal stage" in said
    assert "      2. If Deal stage is any of Signed (Sales Pipeline)" in said
    assert "To mend first: limits: custom properties: 27 would be made" in said
    assert "To apply, this login lacks a scope, on deals: crm.schemas.deals.write" in said
    assert "Nothing can be applied before what is to mend is mended." in " ".join(said.split())
