"""The handoff section in layouts that were there before: put in, filled up, taken out, everything else untouched."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from connector.crm.salesforce.provision.component import Component, parse, text_of, xml
from connector.crm.salesforce.provision.layout import (
    Section,
    fields_on,
    insert_section,
    remove_section,
    section,
)
from connector.handoff.model import Kind, SystemName
from connector.policy.load import load

ROOT = Path(__file__).parent.parent.parent
MAP = load(ROOT / "mappings", {SystemName("sf"): "salesforce"}).maps[SystemName("sf")]
WANTED = section(MAP, Kind.DEAL)

STANDARD = b"""<?xml version="1.0" encoding="UTF-8"?>
<Layout xmlns="http://soap.sforce.com/2006/04/metadata" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
    <excludeButtons>Submit</excludeButtons>
    <layoutSections>
        <customLabel>false</customLabel>
        <label>Opportunity Information</label>
        <layoutColumns>
            <layoutItems><behavior>Required</behavior><field>Name</field></layoutItems>
            <layoutItems><behavior>Edit</behavior><field>Handoff_Product__c</field></layoutItems>
            <layoutItems><emptySpace>true</emptySpace></layoutItems>
        </layoutColumns>
        <layoutColumns/>
        <style>TwoColumnsTopToBottom</style>
    </layoutSections>
    <layoutSections>
        <label>System Information</label>
        <layoutColumns><layoutItems><field>CreatedById</field></layoutItems></layoutColumns>
        <style>OneColumn</style>
    </layoutSections>
    <somethingNew kind="x"><inner xsi:nil="true"/></somethingNew>
    <relatedLists><fields>TASK.SUBJECT</fields><relatedList>RelatedActivityList</relatedList></relatedLists>
</Layout>
"""


def a_layout(raw: bytes = STANDARD) -> Component:
    return parse("Layout", "Opportunity-Opportunity Layout", raw)


def labels(layout: Component) -> list[str]:
    return [text_of(each, "label") for each in layout.all("layoutSections")]


def test_the_section_has_peoples_fields_then_the_override_then_the_connectors() -> None:
    fields = [slot.field for slot in WANTED.slots]
    override, status = fields.index("Handoff_Override__c"), fields.index("Handoff_Status__c")
    assert fields.index("Handoff_Champion__c") < override < status
    assert len(fields) == len(set(fields)) == 51
    behavior = {slot.field: slot.behavior for slot in WANTED.slots}
    assert behavior["Handoff_Champion__c"] == behavior["Handoff_CSM__c"] == "Edit"
    assert behavior["Handoff_Status__c"] == "Readonly"
    assert {slot.field: slot.behavior for slot in section(MAP, Kind.ACCOUNT).slots} == {
        "Handoff_CSM__c": "Edit",
        "Handoff_Onboarding_Stage__c": "Edit",
        "Handoff_Go_Live_Date__c": "Edit",
        "Handoff_Activation__c": "Readonly",
        "Handoff_Activated_On__c": "Readonly",
        "Handoff_Milestones__c": "Readonly",
        **dict.fromkeys((f"Handoff_{name}__c" for name in ("NPS", "CSAT", "Tickets_30", "Expansion_Amount")), "Edit"),
        **dict.fromkeys((f"Handoff_{name}__c" for name in ("Churned_At", "Renewed_At", "Renewal_Talk_At")), "Edit"),
    }


def test_it_comes_after_the_first_section_with_every_field_once() -> None:
    found = insert_section(a_layout(), WANTED)
    assert labels(found) == ["Opportunity Information", "Handoff", "System Information"]
    shown = fields_on(found)
    assert len(shown) == len(set(shown))
    assert {slot.field for slot in WANTED.slots} <= set(shown)


def test_what_stood_there_stays_in_place_word_for_word() -> None:
    before = a_layout()
    after = insert_section(before, WANTED)
    assert tuple(each for each in after.body if each not in before.body) == (after.body[3],)
    assert tuple(each for each in after.body if each in before.body) == before.body
    assert parse("Layout", after.name, xml(after)).body == after.body


def test_a_second_time_changes_nothing() -> None:
    once = insert_section(a_layout(), WANTED)
    assert insert_section(once, WANTED) is once


def test_a_section_an_admin_moved_and_shaped_is_only_filled_up() -> None:
    raw = STANDARD.replace(
        b"<relatedLists>",
        b"<layoutSections><customLabel>true</customLabel><label>Handoff</label><layoutColumns><layoutItems>"
        b"<behavior>Readonly</behavior><field>Handoff_Champion__c</field></layoutItems><layoutItems><field>Mine__c"
        b"</field></layoutItems></layoutColumns><layoutColumns></layoutColumns><style>TwoColumnsTopToBottom</style>"
        b"</layoutSections><relatedLists>",
    )
    found = insert_section(a_layout(raw), WANTED)
    assert labels(found) == ["Opportunity Information", "System Information", "Handoff"]
    shown = fields_on(found)
    assert shown.count("Handoff_Champion__c") == 1
    assert set(shown) >= {slot.field for slot in WANTED.slots}
    assert b"<style>TwoColumnsTopToBottom</style>" in xml(found).rpartition(b"Mine__c")[2]
    gone = remove_section(found, WANTED)
    assert fields_on(gone) == ("Name", "Handoff_Product__c", "CreatedById", "Mine__c")


def test_taken_out_again_the_layout_is_as_before() -> None:
    before = a_layout()
    assert remove_section(insert_section(before, WANTED), WANTED) == before
    assert remove_section(before, WANTED) is before


def test_a_layout_without_sections_gets_one() -> None:
    bare = Component("Layout", "Opportunity-Bare", ())
    assert labels(insert_section(bare, WANTED)) == ["Handoff"]


@pytest.mark.parametrize("empty", [Section("Opportunity", "Handoff", ())])
def test_nothing_wanted_is_nothing_done(empty: Section) -> None:
    before = a_layout()
    assert insert_section(before, empty) is before


NAMES = [slot.field for slot in WANTED.slots] + ["Name", "Amount", "Mine__c"]
SECTIONS = st.lists(
    st.tuples(st.sampled_from(("Top", "Handoff", "Other")), st.lists(st.sampled_from(NAMES), max_size=5)), max_size=4
)


@given(SECTIONS)
def test_any_layout_ends_up_with_each_field_and_none_twice_because_of_us(given_: list[tuple[str, list[str]]]) -> None:
    used: set[str] = set()
    sections = []
    for label, fields in given_:
        fresh = tuple(dict.fromkeys(name for name in fields if name not in used))
        used.update(fresh)
        items = tuple(("layoutItems", (("field", name),)) for name in fresh)
        sections.append(("layoutSections", (("label", label), ("layoutColumns", items), ("style", "OneColumn"))))
    before = Component("Layout", "Opportunity-Any", tuple(sections))
    after = insert_section(before, WANTED)
    shown = fields_on(after)
    assert sorted(shown) == sorted(used | {slot.field for slot in WANTED.slots})
    assert insert_section(after, WANTED) is after
    assert [name for name in shown if name in used] == list(fields_on(before))
