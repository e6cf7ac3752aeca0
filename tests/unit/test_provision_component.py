"""Components as XML and back: order, attributes, escaping, and what is refused."""

from __future__ import annotations

import pytest

from connector.crm.salesforce.provision.component import Component, document, leaf, parse, xml

FIELD = Component(
    "CustomField",
    "Opportunity.X__c",
    (
        leaf("fullName", "X__c"),
        leaf("label", 'R&D "cost" <it\'s>'),
        leaf("externalId", True),
        leaf("length", 255),
        (
            "valueSet",
            (("valueSetDefinition", (("value", (leaf("fullName", "a"),)), ("value", (leaf("fullName", "b"),)))),),
        ),
    ),
)


def test_a_component_comes_back_as_it_was() -> None:
    assert parse("CustomField", FIELD.name, xml(FIELD)) == FIELD


def test_text_is_escaped_as_the_vendor_escapes_it() -> None:
    assert b"R&amp;D &quot;cost&quot; &lt;it&apos;s&gt;" in xml(FIELD)


def test_attributes_and_unknown_elements_survive() -> None:
    raw = (
        b'<?xml version="1.0"?><Layout xmlns="http://soap.sforce.com/2006/04/metadata" '
        b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><newThing kind="7"><inner xsi:nil="true"/>'
        b'<value xsi:type="xsd:string">kept</value></newThing><empty/></Layout>'
    )
    layout = parse("Layout", "Opportunity-Layout", raw)
    assert parse("Layout", "Opportunity-Layout", xml(layout)) == layout
    written = xml(layout)
    assert b'<newThing kind="7">' in written
    assert b'<inner xsi:nil="true"/>' in written
    assert b'<value xsi:type="xsd:string">kept</value>' in written
    assert b"xmlns:xsi=" in written.splitlines()[1]


def test_characters_that_xml_cannot_carry_are_left_out() -> None:
    assert b"<label>ab</label>" in document("CustomField", (leaf("label", "a\x00\x0b\ud800b"),))


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"<CustomField><label></CustomField>", "not well formed"),
        (b"", "not well formed"),
        (b"<!DOCTYPE x [<!ENTITY e 'boom'>]><CustomField>&e;</CustomField>", "document type"),
        (b"<Layout/>", "is a Layout"),
    ],
)
def test_what_is_no_component_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse("CustomField", "Opportunity.X__c", raw)
