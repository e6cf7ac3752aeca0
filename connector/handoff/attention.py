"""For which handoffs a section of a mapping file is that watches over them, such as ``[red_flags]``.

Not here: what such a section says. One that comes to stand there later is for the handoffs that begin from then on: the
begin of a handoff remembers which sections there were, as marks. ``since`` in the section names the day instead. Where
the ledger was lost, those count that stand there when the handoff is rebuilt.
"""

from __future__ import annotations

from datetime import date, datetime

from connector.handoff.calendar import local_date
from connector.handoff.case import Case

RED_FLAGS = "red_flags"
COMMITMENTS = "commitments"
RESCUE = "rescue"


def attends(case: Case, section: str, since: date | None) -> bool:
    """Whether a running handoff is one of those that the section is for."""
    began = case.released_at
    if began is None or not case.released:
        return False
    if since is not None:
        return local_date(case.policy.calendar, began) >= since
    return _begins(case) or _mark(section) in case.ledger.marks


def left_alone(section: str) -> str:
    """Why nothing is watched of a handoff that the section is not for."""
    return f"It began before [{section}] stood in process.toml, so it is left alone; since = … there takes it in."


def begun_with(case: Case) -> dict[str, datetime]:
    """The sections that stand there as a handoff begins, for the ledger; nothing of any other moment."""
    if not _begins(case):
        return {}
    policy, product = case.policy, case.policy.product
    present = {
        RED_FLAGS: bool(policy.red_flags.flags),
        COMMITMENTS: policy.commitments is not None,
        RESCUE: product is not None and bool(product.rescue.missed),
    }
    return {_mark(section): case.now for section, there in present.items() if there}


def _begins(case: Case) -> bool:
    return case.released and (case.recovered or case.ledger.released_at is None)


def _mark(section: str) -> str:
    return f"begun-with:{section}"
