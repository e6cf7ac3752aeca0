"""The Metadata API over SOAP, judged by simple-salesforce and by its copy of the vendor's WSDL."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import requests
import simple_salesforce
from metadata_files import NAMESPACE, Admin, field, problems, rule, zipped
from simple_salesforce.api import Salesforce

from connector.sandbox.salesforce.metadata import components, planting
from connector.sandbox.salesforce.metadata.elements import ELEMENTS
from connector.sandbox.salesforce.metadata.enums import ENUMS
from connector.sandbox.salesforce.metadata.types import TYPES
from connector.sandbox.server import Sandbox

LAYOUT = "Opportunity-Opportunity Layout"
XSD = "{http://www.w3.org/2001/XMLSchema}"
OPAQUE = {"FlexiPage", "Flow"}


def a_package() -> bytes:
    inner = field("Go__c") + rule("Go", "ISBLANK(Go__c)")
    files = {"objects/Opportunity.object": f"<CustomObject>{inner}</CustomObject>"}
    return zipped(files, {"CustomField": ["Opportunity.Go__c"], "ValidationRule": ["Opportunity.Go"]})


def retrieved(admin: Admin, *members: tuple[str, str]) -> zipfile.ZipFile:
    types = "".join(f"<types><members>{name}</members><name>{type}</name></types>" for type, name in members)
    asked = admin.soap(
        "retrieve",
        f"<met:retrieveRequest><met:apiVersion>67.0</met:apiVersion><met:singlePackage>true</met:singlePackage>"
        f"<met:unpackaged>{types}<version>67.0</version></met:unpackaged></met:retrieveRequest>",
    )
    id = one(asked.text, "id")
    found = admin.soap(
        "checkRetrieveStatus", f"<met:asyncProcessId>{id}</met:asyncProcessId><met:includeZip>true</met:includeZip>"
    )
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(one(found.text, "zipFile"))))


def one(text: str, tag: str) -> str:
    return str(ET.fromstring(text).findtext(f".//{{{NAMESPACE}}}{tag}"))


def test_simple_salesforce_deploys(admin_sf: Salesforce, bare: Sandbox) -> None:
    asked = admin_sf.deploy(io.BytesIO(a_package()), sandbox=False)
    assert asked["state"] == "Queued"
    first = admin_sf.checkDeployStatus(asked["asyncId"])
    assert first["state"] == "InProgress"
    second = admin_sf.checkDeployStatus(asked["asyncId"])
    assert second["state"] == "Succeeded"
    assert second["deployment_detail"]["deployed_count"] == "2"
    assert components.one(bare.sf, "CustomField", "Opportunity.Go__c") is not None


def test_simple_salesforce_reads_what_was_refused(admin_sf: Salesforce, bare: Sandbox) -> None:
    files = {"objects/Opportunity.object": f"<CustomObject>{field('Go__c', 'TextArea', length=8)}</CustomObject>"}
    asked = admin_sf.deploy(io.BytesIO(zipped(files, {"CustomField": ["Opportunity.Go__c"]})), sandbox=False)
    admin_sf.checkDeployStatus(asked["asyncId"])
    found = admin_sf.checkDeployStatus(asked["asyncId"])
    assert found["state"] == "Failed"
    assert found["deployment_detail"]["errors"] == [
        {
            "type": "CustomField",
            "file": "objects/Opportunity.object",
            "status": "Error",
            "message": "Can not specify 'length' for a CustomField of type TextArea",
        }
    ]
    assert components.one(bare.sf, "CustomField", "Opportunity.Go__c") is None


def test_simple_salesforce_lists_and_describes(mdapi: Any) -> None:
    query = mdapi._client.get_type("ns0:ListMetadataQuery")(type="Layout")
    listed = {found.fullName for found in mdapi.list_metadata([query])}
    assert {LAYOUT, "Opportunity-Opportunity (Partner) Layout", "Account-Account Layout"} <= listed
    described = {t.xmlName: t for t in mdapi.describe_metadata().metadataObjects}
    assert described["CustomObject"].directoryName == "objects"
    assert "CustomField" in described["CustomObject"].childXmlNames


def test_simple_salesforce_reads_components(mdapi: Any, admin: Admin) -> None:
    admin.deploy(a_package())
    found = mdapi.ValidationRule.read("Opportunity.Go")
    assert (found.fullName, found.errorConditionFormula, found.active) == ("Opportunity.Go", "ISBLANK(Go__c)", True)
    layout = mdapi.Layout.read(LAYOUT)
    assert layout.layoutSections[0].label == "Opportunity Information"


def test_a_retrieved_layout_deploys_again_unchanged(admin: Admin, bare: Sandbox) -> None:
    before = planting.layout_fields(bare.sf, LAYOUT)
    archive = retrieved(admin, ("Layout", LAYOUT))
    assert sorted(archive.namelist()) == [f"layouts/{LAYOUT}.layout", "package.xml"]
    result = admin.deploy(whole_of(archive))
    assert result["success"], problems(result)
    said = {m["fullName"]: m["changed"] for m in result["details"]["componentSuccesses"]}
    assert said[LAYOUT] is False
    assert planting.layout_fields(bare.sf, LAYOUT) == before


def whole_of(archive: zipfile.ZipFile) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, archive.read(name))
    return target.getvalue()


def test_fields_and_rules_are_retrieved_in_their_objects_file(admin: Admin) -> None:
    admin.deploy(a_package())
    archive = retrieved(admin, ("CustomField", "Opportunity.Go__c"), ("ValidationRule", "Opportunity.Go"))
    root = ET.fromstring(archive.read("objects/Opportunity.object"))
    assert root.findtext(f"{{{NAMESPACE}}}fields/{{{NAMESPACE}}}fullName") == "Go__c"
    assert root.findtext(f"{{{NAMESPACE}}}validationRules/{{{NAMESPACE}}}fullName") == "Go"
    result = admin.deploy(whole_of(archive))
    assert not any(m["changed"] for m in result["details"]["componentSuccesses"]), problems(result)


def test_a_field_that_no_deploy_made_is_retrieved_as_it_is(admin: Admin, bare: Sandbox) -> None:
    planting.plant_required_field(bare.sf, "Legal__c", label="Legal")
    archive = retrieved(admin, ("CustomField", "Opportunity.Legal__c"))
    assert b"<required>true</required>" in archive.read("objects/Opportunity.object")
    assert b"<fullName>Site_Code__c</fullName>" in retrieved(admin, ("CustomObject", "Account")).read(
        "objects/Account.object"
    )


def test_what_cannot_be_retrieved_is_told(admin: Admin) -> None:
    types = "<types><members>Nope</members><name>Layout</name></types>"
    asked = admin.soap(
        "retrieve", f"<met:retrieveRequest><met:unpackaged>{types}</met:unpackaged></met:retrieveRequest>"
    )
    found = admin.soap("checkRetrieveStatus", f"<met:asyncProcessId>{one(asked.text, 'id')}</met:asyncProcessId>")
    assert one(found.text, "problem") == "Entity of type 'Layout' named 'Nope' cannot be found"
    assert one(found.text, "status") == "Succeeded"


@pytest.mark.parametrize(
    ("operation", "token", "code"),
    [
        ("describeMetadata", "nobody", "sf:INVALID_SESSION_ID"),
        ("sing", None, "sf:INVALID_OPERATION"),
        ("checkDeployStatus", None, "sf:INVALID_CROSS_REFERENCE_KEY"),
    ],
)
def test_a_refusal_is_a_fault(operation: str, token: str | None, code: str, admin: Admin) -> None:
    found = admin.soap(operation, "<met:asyncProcessId>0Af000000000000AAA</met:asyncProcessId>", token=token)
    assert found.status_code == 500
    assert ET.fromstring(found.text).findtext(".//faultcode") == code


def test_a_broken_or_booby_trapped_envelope_is_a_fault(admin: Admin) -> None:
    address = f"{admin.url}/services/Soap/m/67.0"
    trap = '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    for body in ("<x>", trap):
        found = requests.post(address, data=body, headers={"Content-Type": "text/xml"}, timeout=5)
        assert found.status_code == 500
        assert ET.fromstring(found.text).findtext(".//faultcode") == "soapenv:Client"


# The tables of element names against the WSDL that simple-salesforce carries


def wsdl() -> ET.Element:
    return ET.parse(Path(simple_salesforce.__file__).parent / "metadata.wsdl").getroot()


def test_every_element_is_one_of_the_vendors() -> None:
    root = wsdl()
    types = {t.get("name"): {e.get("name") for e in t.iter(f"{XSD}element")} for t in root.iter(f"{XSD}complexType")}
    inherited = {"fullName"}
    folder = types["Folder"]
    item = types["FilterItem"]
    for name, text in ELEMENTS.items():
        if name in OPAQUE:
            continue
        ours = {word.rstrip("!*").partition(":")[0] for word in text.split()}
        theirs = types[name] | inherited
        theirs |= folder if name.endswith("Folder") else set()
        theirs |= item if name == "DuplicateRuleFilterItem" else set()
        assert ours <= theirs, (name, ours - theirs)


def test_every_enumeration_has_the_vendors_values() -> None:
    simple = {t.get("name"): t for t in wsdl().iter(f"{XSD}simpleType")}
    for name, text in ENUMS.items():
        theirs = [e.get("value") for e in simple[name].iter(f"{XSD}enumeration")]
        assert text.split() == theirs, name


def test_every_type_has_elements() -> None:
    assert {t.name for t in TYPES} - set(ELEMENTS) == set()
