"""The mark in a rule's description by which a rule that we wrote is told from one that a person has edited.

Not here: what a rule says (``rules``). The mark is a digest of what the rule does; who edits the rule in Setup leaves
the old mark behind, and it no longer fits.
"""

from __future__ import annotations

import hashlib
import re

from connector.crm.salesforce.provision.component import Component, Tree
from connector.crm.salesforce.provision.trees import settled

MARKED = "ValidationRule"
DIGESTED = ("active", "errorConditionFormula", "errorDisplayField", "errorMessage")
DESCRIPTION_LIMIT = 255
"""Characters of a rule's description (facts: Salesforce §5.3 gives the message's; the description's is taken alike)."""

MARK_LENGTH = 12
_MARK = re.compile(r"\s*\(mark ([0-9a-f]{12})\)\s*$")


def marked(component: Component) -> Component:
    """The component with its mark, if it is of the type that carries one."""
    if component.type != MARKED:
        return component
    mark = f" (mark {_digest(component)})"
    plain = _MARK.sub("", component.text("description"))[: DESCRIPTION_LIMIT - len(mark)]
    return Component(component.type, component.name, _with(component, (plain + mark).strip()), component.why)


def has_mark(component: Component) -> bool:
    """Whether the rule was once ours, whatever became of it."""
    return _MARK.search(component.text("description")) is not None


def is_untouched(component: Component) -> bool:
    """Whether the rule still does what it did when we wrote it."""
    found = _MARK.search(component.text("description"))
    return found is not None and found.group(1) == _digest(component)


def _digest(component: Component) -> str:
    text = "\n".join(f"{tag}={settled(component.text(tag))}" for tag in DIGESTED)
    return hashlib.sha256(text.encode()).hexdigest()[:MARK_LENGTH]


def _with(component: Component, description: str) -> Tree:
    body = component.body
    if any(tag == "description" for tag, _ in body):
        return tuple((tag, description if tag == "description" else inner) for tag, inner in body)
    place = next((n for n, (tag, _) in enumerate(body) if tag in DIGESTED and tag != "active"), len(body))
    return (*body[:place], ("description", description), *body[place:])
