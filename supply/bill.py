"""The bill of materials: every locked package in CycloneDX, the same bytes for the same lock.

Not here: the packages of the base image's system, which its own maker lists. Made with the standard library: the
format is a JSON object, and a generator would bring a dozen packages to be listed themselves.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supply.licences import licence_of
from supply.lock import Locked, read

SPEC = "1.6"
SPACE = uuid.UUID("5b7cf0f0-6d1c-4a52-9f43-1d6c3c1b0e77")
"""The name space of serial numbers: a bill's number follows from what is in it."""


def bill(lock: Path, *, name: str, version: str, known: Mapping[str, str]) -> dict[str, Any]:
    """The bill of a lock, as plain data."""
    parts = [_component(each, known) for each in read(lock)]
    serial = uuid.uuid5(SPACE, json.dumps([name, version, parts], sort_keys=True))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": name, "name": name, "version": version}},
        "components": parts,
        "dependencies": [{"ref": name, "dependsOn": [each["bom-ref"] for each in parts]}],
    }


def _component(package: Locked, known: Mapping[str, str]) -> dict[str, Any]:
    reference = f"pkg:pypi/{package.name.replace('_', '-')}@{package.version}"
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": package.name,
        "version": package.version,
        "purl": reference,
        "scope": "excluded" if package.condition and package.installed is None else "required",
        "properties": [{"name": "handoff:lock:sha256", "value": each} for each in package.hashes],
    }
    if package.condition:
        part["properties"].append({"name": "handoff:lock:condition", "value": package.condition})
    if licence := licence_of(package, known):
        part["licenses"] = [{"expression": licence}]
    return part
