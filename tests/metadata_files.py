"""Metadata as tests write it: files in a zip, a deploy over REST, and what came of it.

Not an assertion. Files are given without declaration and namespace; both are added.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import requests

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
TIMEOUT_S = 20
MAX_LOOKS = 5


def whole(text: str) -> str:
    """A file with its declaration, and the namespace on its root."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + re.sub(r"^<(\w+)", rf'<\1 xmlns="{NAMESPACE}"', text.strip())


def package(members: dict[str, list[str]], version: str = "67.0") -> str:
    """A package.xml."""
    types = "".join(
        f"<types>{''.join(f'<members>{n}</members>' for n in names)}<name>{type}</name></types>"
        for type, names in members.items()
    )
    return whole(f"<Package>{types}<version>{version}</version></Package>")


def zipped(files: dict[str, str], members: dict[str, list[str]], **manifests: dict[str, list[str]]) -> bytes:
    """A deployable zip; `manifests` are destructive ones, e.g. destructiveChanges={...}."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("package.xml", package(members))
        for name, gone in manifests.items():
            archive.writestr(f"{name}.xml", package(gone))
        for path, text in files.items():
            archive.writestr(path, whole(text))
    return target.getvalue()


@dataclass
class Admin:
    """Someone who may change the org's setup, over plain HTTP."""

    url: str
    token: str
    version: str = "67.0"

    @property
    def data(self) -> str:
        """The REST base."""
        return f"{self.url}/services/data/v{self.version}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One REST call, the path below the base."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return requests.request(method, f"{self.data}{path}", headers=headers, timeout=TIMEOUT_S, **more)

    def post_deploy(self, data: bytes, *, part: str = "json", **options: Any) -> requests.Response:
        """Ask for a deploy."""
        files = {
            part: (None, json.dumps({"deployOptions": {"rollbackOnError": True, **options}}), "application/json"),
            "file": ("deploy.zip", data, "application/zip"),
        }
        return self.call("POST", "/metadata/deployRequest", files=files)

    def look(self, id: str) -> dict[str, Any]:
        """One look at a deploy."""
        found = self.call("GET", f"/metadata/deployRequest/{id}?includeDetails=true")
        assert found.status_code == 200, found.text
        result: dict[str, Any] = found.json()["deployResult"]
        return result

    def deploy(self, data: bytes, **options: Any) -> dict[str, Any]:
        """A deploy to its end."""
        asked = self.post_deploy(data, **options)
        assert asked.status_code == 201, asked.text
        for _ in range(MAX_LOOKS):
            result = self.look(asked.json()["id"])
            if result["done"]:
                return result
        raise AssertionError("the deploy did not end")

    def tooling(self, soql: str) -> requests.Response:
        """A Tooling query."""
        return self.call("GET", "/tooling/query", params={"q": soql})

    def soap(self, operation: str, inner: str, *, token: str | None = None) -> requests.Response:
        """A SOAP call of the Metadata API."""
        session = self.token if token is None else token
        body = (
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            f'xmlns:met="{NAMESPACE}"><soapenv:Header><met:SessionHeader><met:sessionId>{session}</met:sessionId>'
            f"</met:SessionHeader></soapenv:Header><soapenv:Body><met:{operation}>{inner}</met:{operation}>"
            "</soapenv:Body></soapenv:Envelope>"
        )
        headers = {"Content-Type": "text/xml", "SOAPAction": operation}
        address = f"{self.url}/services/Soap/m/{self.version}"
        return requests.post(address, data=body, headers=headers, timeout=TIMEOUT_S)


def field(name: str, type: str = "Text", **more: Any) -> str:
    """A <fields> element; Text has its length."""
    given = {"length": 80, **more} if type == "Text" else more
    inner = "".join(f"<{k}>{str(v).lower() if isinstance(v, bool) else v}</{k}>" for k, v in given.items())
    return f"<fields><fullName>{name}</fullName><label>{name}</label><type>{type}</type>{inner}</fields>"


def rule(name: str, formula: str, message: str = "No.", display: str = "") -> str:
    """A <validationRules> element."""
    shown = f"<errorDisplayField>{display}</errorDisplayField>" if display else ""
    return (
        f"<validationRules><fullName>{name}</fullName><active>true</active>"
        f"<errorConditionFormula>{formula}</errorConditionFormula>{shown}"
        f"<errorMessage>{message}</errorMessage></validationRules>"
    )


def problems(result: dict[str, Any]) -> list[str]:
    """The problems of a deploy."""
    return [failure["problem"] for failure in result["details"]["componentFailures"]]
