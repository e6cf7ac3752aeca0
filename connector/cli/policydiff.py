"""``handoff plan --policy-diff``: what a changed policy would change on the handoffs under way, printed.

Not here: comparing (``engine.policydiff``) and the command itself (``plan``).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector import bootstrap
from connector.cli.screen import PlainTable
from connector.cli.show import console
from connector.engine.brake_words import policy_note
from connector.engine.parts import Shared, System
from connector.engine.policydiff import DealDiff, compare
from connector.errors import Problem, UserError
from connector.policy.folder import write_folder

EXAMPLES = 3


def run(runtime: bootstrap.Runtime, systems: Sequence[System], deals: Sequence[str], *, against: Path | None) -> bool:
    """Print, for each system, what differs. Returns whether anything does. Raises `UserError`, `CrmError`."""
    return sum(_tell(runtime, each, deals, against) for each in systems) > 0


def data(
    runtime: bootstrap.Runtime, systems: Sequence[System], deals: Sequence[str], *, against: Path | None
) -> dict[str, Any]:
    """The same as plain data."""
    found: dict[str, Any] = {}
    for each in systems:
        looked, diffs = _diffs(runtime, each, deals, against)
        found[each.name] = {
            "handoffs": looked,
            "changed": len(diffs),
            "would_be_held": _is_mass(runtime.shared, looked, len(diffs)),
            "rules": {
                rule: {"gained": gained, "lost": lost} for rule, (gained, lost, _) in sorted(_by_rule(diffs).items())
            },
            "deals": [
                {
                    "deal": diff.deal_id,
                    "gained": [{"rule": one.rule, "what": one.what} for one in diff.gained],
                    "lost": [{"rule": one.rule, "what": one.what} for one in diff.lost],
                }
                for diff in diffs
            ],
        }
    return found


def _tell(runtime: bootstrap.Runtime, system: System, deals: Sequence[str], against: Path | None) -> bool:
    looked, diffs = _diffs(runtime, system, deals, against)
    out = console()
    out.rule(f"{system.name}: {len(diffs)} of {looked} handoffs under way would change")
    if not diffs:
        out.print("Both policies come to the same for them.")
        return False
    table = PlainTable("Rule", "Gain", "Lose", "What", "For example")
    for rule, (gained, lost, what) in sorted(_by_rule(diffs).items()):
        of_rule = [diff.deal_id for diff in diffs if any(one.rule == rule for one in (*diff.gained, *diff.lost))]
        names = ", ".join(f"{name} ({count})" for name, count in what.most_common(EXAMPLES))
        table.add_row(rule, str(gained), str(lost), names, ", ".join(of_rule[:EXAMPLES]))
    out.print(table)
    if _is_mass(runtime.shared, looked, len(diffs)):
        out.print("That is more than [brakes] allows: the mass-change stop would hold them.", markup=False)
    out.print("Nothing was stored or sent.")
    return True


def _diffs(
    runtime: bootstrap.Runtime, system: System, deals: Sequence[str], against: Path | None
) -> tuple[int, list[DealDiff]]:
    ids = tuple(deals) or runtime.shared.store.deals_under_way(system.name)
    with tempfile.TemporaryDirectory(prefix="handoff-policy-") as name:
        before = _before(runtime, system, against, Path(name))
        return len(ids), list(compare(runtime.shared, before, system, ids))


def _before(runtime: bootstrap.Runtime, system: System, against: Path | None, scratch: Path) -> System:
    """The system as it was: by the folder that was named, or the mappings the daemon ran with before these."""
    folder = against
    if folder is None:
        note = policy_note(runtime.shared, system)
        last = note.get("digest", "")
        wanted = note.get("before", "") if last == system.policy_digest else last
        files = runtime.shared.store.policy_files(wanted) if wanted else None
        if files is None:
            message = "the ledger remembers no other policy of this system; name a folder with --against"
            raise UserError([Problem("", "--policy-diff", message)])
        write_folder(scratch, files)
        folder = scratch
    other = bootstrap.under_mappings(runtime, system, folder)
    if other.crm is not system.crm:
        other.crm.connect()
    other.stages = system.stages
    return other


def _by_rule(diffs: Sequence[DealDiff]) -> dict[str, tuple[int, int, Counter[str]]]:
    """Per rule: deals that gain, deals that lose, and what."""
    gain: Counter[str] = Counter()
    lose: Counter[str] = Counter()
    what: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for diff in diffs:
        gain.update({one.rule for one in diff.gained})
        lose.update({one.rule for one in diff.lost})
        for one in (*diff.gained, *diff.lost):
            what[one.rule][one.what] += 1
    return {rule: (gain[rule], lose[rule], names) for rule, names in what.items()}


def _is_mass(shared: Shared, looked: int, changed: int) -> bool:
    return shared.limits.is_mass(changed, of=looked)


def print_json(found: dict[str, Any]) -> None:
    """On standard output."""
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
