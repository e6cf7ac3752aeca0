"""The supply chain: the bill lists the lock, no licence passes unread, and an audit of nothing is a failure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from supply import __main__ as command
from supply import audit as auditing
from supply.audit import KNOWN_BAD, Audit, audit
from supply.bill import bill
from supply.licences import Allowed, allowed, judge, permits, refusals
from supply.lock import read, union

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "requirements" / "runtime.txt"
LOCK = """\
one==1.0 \\
    --hash=sha256:{0} \\
    --hash=sha256:{1}
two-three==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:{0}
""".format("a" * 64, "b" * 64)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    return path


def test_the_bill_lists_exactly_the_lock(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["sbom"]) == 0
    made = json.loads(capsys.readouterr().out)
    pinned = re.findall(r"^([\w.-]+)==([^ \\;]+)", RUNTIME.read_text(), re.MULTILINE)
    assert sorted((each["name"], each["version"]) for each in made["components"]) == sorted(pinned)
    hashes = re.findall(r"sha256:([0-9a-f]{64})", RUNTIME.read_text())
    told = [one["value"] for each in made["components"] for one in each["properties"] if one["name"].endswith("sha256")]
    assert sorted(told) == sorted(hashes)
    assert {each["bom-ref"] for each in made["components"]} == set(made["dependencies"][0]["dependsOn"])
    assert all(each["licenses"][0]["expression"] for each in made["components"])


def test_the_same_lock_gives_the_same_bill_and_another_one_another(lock: Path, tmp_path: Path) -> None:
    one = bill(lock, name="x", version="1", known={})
    assert one == bill(lock, name="x", version="1", known={})
    other = tmp_path / "other.txt"
    other.write_text(LOCK.replace("1.0", "1.1"))
    assert bill(other, name="x", version="1", known={})["serialNumber"] != one["serialNumber"]
    assert [each["scope"] for each in one["components"]] == ["required", "excluded"]


def test_the_image_holds_the_bill() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "python -m supply sbom > /src/sbom.cdx.json" in text
    assert "COPY --from=build /src/sbom.cdx.json /usr/share/doc/handoff/sbom.cdx.json" in text


@pytest.mark.parametrize("wrong", ["one>=1.0\n", "one==1.0\n", "-e .\n", "one @ file:///tmp/x\n"])
def test_a_lock_that_locks_nothing_is_refused(wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(wrong)
    with pytest.raises(ValueError, match=r"pins nothing|has no hash"):
        read(path)


def test_two_locks_must_agree(lock: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text(LOCK.replace("1.0", "1.1"))
    with pytest.raises(ValueError, match=r"one is locked to 1\.0 and to 1\.1"):
        union([lock, other])


def test_every_locked_package_has_a_licence_on_the_list() -> None:
    by = allowed(ROOT / "pyproject.toml")
    verdicts = [*judge(RUNTIME, shipped=True, by=by), *judge(ROOT / "requirements" / "dev.txt", shipped=False, by=by)]
    assert refusals(verdicts) == []
    assert len(verdicts) > 100


def test_what_says_nothing_or_something_else_is_refused(lock: Path) -> None:
    by = Allowed(frozenset({"MIT"}), frozenset({"GPL-3.0-only"}), {"one": "GPL-3.0-only"})
    assert [each.refused.split(";")[0] for each in judge(lock, shipped=True, by=by)] == [
        "is not on the list",
        "is not installed here",
    ]
    assert judge(lock, shipped=False, by=by)[0].refused == ""


@pytest.mark.parametrize(
    ("expression", "fine"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR (MIT AND ISC)", True),
        ("(GPL-3.0-only OR MIT) AND ISC", True),
        ("MIT WITH Exception", False),
        ("", False),
        ("MIT OR", False),
        ("(MIT", False),
    ],
)
def test_an_expression_is_read_as_spdx_has_it(expression: str, fine: bool) -> None:
    assert permits(expression, frozenset({"MIT", "ISC"})) is fine


def source(vulnerable: Mapping[str, list[str]], *, skip: tuple[str, ...] = (), blind: bool = False) -> auditing.Ask:
    """A stand-in for the auditing tool: knows some vulnerabilities, skips some packages."""

    def ask(pins: Path, name: str) -> dict[str, Any]:
        told: list[dict[str, Any]] = []
        for line in pins.read_text().split():
            package, _, version = line.partition("==")
            if blind or package in skip:
                told.append({"name": package, "skip_reason": "Dependency not found"})
                continue
            ids = ["CVE-2019-10906"] if (package, version) == KNOWN_BAD else vulnerable.get(package, [])
            told.append({"name": package, "version": version, "vulns": [{"id": each} for each in ids]})
        return {"dependencies": told}

    return ask


def test_an_audit_that_looked_nothing_up_is_not_done(lock: Path) -> None:
    assert audit([lock], ask=source({}, blind=True)) == Audit(2, 0, proven=False, findings=())
    assert not audit([lock], ask=lambda _pins, _name: None).done
    assert not audit([lock], ask=source({}, skip=("two-three",))).done


def test_a_source_that_does_not_know_a_known_vulnerability_proves_nothing(lock: Path) -> None:
    def ignorant(pins: Path, name: str) -> dict[str, Any]:
        pairs = (line.split("==") for line in pins.read_text().split())
        return {"dependencies": [{"name": one, "version": two, "vulns": []} for one, two in pairs]}

    assert not audit([lock], ask=ignorant).done


def test_a_finding_is_told_with_its_number(lock: Path) -> None:
    found = audit([lock], ask=source({"one": ["CVE-2026-0001"]}))
    assert found.done
    assert found.findings == ("one 1.0: CVE-2026-0001, mended in none",)
    assert audit([lock], ask=source({})).findings == ()


@pytest.mark.parametrize(
    ("answer", "code"), [(source({}, blind=True), 3), (source({"jinja2": ["CVE-1"]}), 1), (source({}), 0)]
)
def test_the_command_says_what_it_did_and_fails_unless_all_is_known(
    answer: auditing.Ask, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(auditing, "_ask", answer)
    assert command.main(["audit"]) == code
    told = capsys.readouterr()
    assert {3: "NOT AUDITED: 0 of ", 1: "jinja2", 0: "no known vulnerabilities"}[code] in told.out + told.err
