"""The licence of every locked package, held against the allow-list in pyproject.toml.

Not here: what a licence asks of whoever ships the product. A package says its licence in an SPDX expression, in
classifiers or in free text, in that order of trust; texts are turned into SPDX by a table. What cannot be read, and
what is locked but not installed here, must have a line of its own in the list, so nothing passes unread.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from supply.lock import Locked, read

SAID: Mapping[str, str] = {
    "mit license": "MIT",
    "mit": "MIT",
    "apache software license": "Apache-2.0",
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "apache license 2.0": "Apache-2.0",
    "bsd license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "gpl-3.0": "GPL-3.0-only",
}
"""Licences as classifiers and free texts say them, in lower case, and their SPDX identifiers."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One package, the licence it was found to have, and why it may not be used; empty when it may."""

    package: Locked
    licence: str
    refused: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """``shipped``: for what runs with the product; ``tools``: beyond these for what only builds and tests it;
    ``packages``: what is known of a package that does not say it, or of one that is allowed by name."""

    shipped: frozenset[str]
    tools: frozenset[str]
    packages: Mapping[str, str]


def allowed(project: Path) -> Allowed:
    """The allow-list of a pyproject.toml."""
    told = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["handoff"]["licences"]
    return Allowed(frozenset(told["shipped"]), frozenset(told["tools"]), dict(told["packages"]))


def judge(lock: Path, *, shipped: bool, by: Allowed) -> tuple[Verdict, ...]:
    """A verdict about every package of a lock."""
    fine = by.shipped if shipped else by.shipped | by.tools
    return tuple(_judged(package, fine, by.packages) for package in read(lock))


def licence_of(package: Locked, known: Mapping[str, str]) -> str:
    """The SPDX expression of a package's licence; empty when it cannot be told."""
    if package.name in known:
        return known[package.name]
    told = package.installed
    if told is None:
        return ""
    if expression := told.get_all("License-Expression"):
        return str(expression[0])
    classifiers = (str(each) for each in told.get_all("Classifier") or ())
    named = [each.rpartition("::")[2] for each in classifiers if each.startswith("License ::")]
    texts = [each.strip().lower() for each in named if each.strip() != "OSI Approved"]
    texts = texts or [str(each).strip().lower() for each in told.get_all("License") or ()]
    spdx = [SAID.get(each, "") for each in texts]
    return " OR ".join(spdx) if spdx and all(spdx) else ""


def permits(expression: str, fine: frozenset[str]) -> bool:
    """Whether an SPDX expression can be satisfied with these licences: one of each OR, every one of each AND."""
    tokens = re.findall(r"\(|\)|[A-Za-z0-9.+-]+", expression)
    value, rest = _either(tokens, fine)
    return value and not rest


def _judged(package: Locked, fine: frozenset[str], known: Mapping[str, str]) -> Verdict:
    licence = licence_of(package, known)
    if not licence:
        here = "is not installed here" if package.installed is None else "does not say its licence in words known here"
        return Verdict(package, "", f"{here}; look it up and give it a line under [tool.handoff.licences.packages]")
    refused = "" if permits(licence, fine) else "is not on the list"
    return Verdict(package, licence, refused)


def _either(tokens: list[str], fine: frozenset[str]) -> tuple[bool, list[str]]:
    value, rest = _all(tokens, fine)
    while rest and rest[0] == "OR":
        other, rest = _all(rest[1:], fine)
        value = value or other
    return value, rest


def _all(tokens: list[str], fine: frozenset[str]) -> tuple[bool, list[str]]:
    value, rest = _one(tokens, fine)
    while rest and rest[0] == "AND":
        other, rest = _one(rest[1:], fine)
        value = value and other
    return value, rest


def _one(tokens: list[str], fine: frozenset[str]) -> tuple[bool, list[str]]:
    if not tokens:
        return False, ["?"]
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], fine)
        return value, rest[1:] if rest and rest[0] == ")" else ["?"]
    return tokens[0] in fine, tokens[1:]


def refusals(verdicts: Iterable[Verdict]) -> list[str]:
    """What is wrong, a line each."""
    return [
        f"{each.package.name} {each.package.version} ({each.licence or '?'}): {each.refused}"
        for each in verdicts
        if each.refused
    ]
