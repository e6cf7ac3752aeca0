"""Which rules cannot decide without a field."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.handoff.model import SystemName
from connector.handoff.rulebook.policy import Policy
from connector.policy.load import load
from connector.policy.needed import needed_by

MAPPINGS = Path(__file__).parents[2] / "mappings"


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The shipped one: segments by amount, requirements by segment."""
    name = SystemName("sf")
    return load(MAPPINGS, {name: "salesforce"}).policies[name]


@pytest.mark.parametrize(
    ("path", "rules"),
    [
        ("amount", {"gate", "assignment"}),  # through the segments, by which both go
        ("scope_requests", {"red_flags"}),
        ("account.csm", {"assignment"}),  # or who has a CSM would get another
        ("champion", set()),  # required: what cannot be read is not checked, and that is said
        ("nothing_of_the_kind", set()),
    ],
)
def test_rules_that_go_by_a_field_even_through_the_segment(policy: Policy, path: str, rules: set[str]) -> None:
    assert set(needed_by(policy, path)) == rules
