"""[pilot] of process.toml: which deals are acted on while the daemon's mode is pilot.

Not here: whether one deal is among them (``handoff.pilot``), and whether the CRM knows the people (``check``). The
section stands beside the rules and not in config.toml, because it speaks their language (fields, pools, people), is
checked by the same rules and belongs to whom the rules belong to; throwing the switch is the operator's.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.handoff.rulebook.pilot import NO_PILOT, Pilot
from connector.policy.conditions import Scope, condition
from connector.policy.model.process import PilotSpec
from connector.settings.mistakes import did_you_mean
from connector.settings.spans import KeyPath

AT: KeyPath = ("pilot",)
AT_MODE: KeyPath = ("daemon", "mode")
LISTS = ("deals", "owners", "csms", "pools")

EMPTY = (
    'is "pilot", and [pilot] of process.toml takes no deal in; name deals, owners, csms, pools or a filter '
    '(when) there, or use mode = "observe"'
)


def pilot(spec: PilotSpec | None, *, pools: Sequence[str], scope: Scope) -> Pilot:
    """The pilot; what is wrong is noted in the scope."""
    if spec is None:
        return NO_PILOT
    for name in LISTS:
        given = getattr(spec, name)
        for index, each in enumerate(given):
            if each in given[:index]:
                scope.complain((*AT, name, index), f"{each} stands here twice; take one out")
    for index, each in enumerate(spec.pools):
        if each not in pools:
            scope.complain((*AT, "pools", index), f"no pool is called {each!r}; {did_you_mean(each, pools)}")
    when = condition(spec.when, at=(*AT, "when"), scope=scope) if spec.when else None
    return Pilot(spec.deals, spec.owners, spec.csms, spec.pools, when, spec.since)


def nothing_taken_in(taken: Pilot) -> str:
    """What is wrong where the daemon is to pilot and the policy names nobody for it; else empty."""
    return "" if taken.groups else EMPTY
