"""The mapping files of the demo's quarter: the shipped ones with those lines switched on that a quarter is to show.

Not here: the shipped files, which stay as they are; nothing is changed that an admin could not change in the same way.
"""

from __future__ import annotations

from pathlib import Path

FIRST = "[handoff]\n"
NAMED = 'playbooks = ["playbooks/thirty-days.toml"]\n'
LARGER = 'when = { deal_type = { is = "new" }, segment = { in = ["mid", "enterprise"] } }'
OUTCOME = (
    'outcome = { field = "Location", label = "Outcome", type = "choice", owner = "human", '
    'values = { held = "Held", missed = "No show", canceled = "Canceled" } }\n'
)
ADDED = "added-in-mid-quarter"
NEW_STEP = f'''
[[playbooks.tasks]]
step = "{ADDED}"
subject = "Added in mid-quarter: {{{{ account }}}}"
body = "Comes with the change of the playbook."
owner = "csm"
within = {{ working_days = 2 }}
done_when = [{{ signal = "email_logged" }}]
missed = ["escalate"]
'''


def switch_on(folder: Path) -> None:
    """Small customers get the five tasks, larger ones the thirty days; people's calendars say when they are away; a
    field of the org's own says what became of a meeting."""
    _edit(folder / "process.toml", FIRST, FIRST + NAMED)
    _edit(folder / "process.toml", "# away_from_calendar = true", "away_from_calendar = true")
    _edit(folder / "salesforce.toml", "\nminutes = {", "\n" + OUTCOME + "minutes = {")
    _edit(folder / "playbooks" / "thirty-days.toml", 'when = { deal_type = { is = "new" } }', LARGER)


def add_step(folder: Path) -> None:
    """The change in mid-quarter: one step more for every new customer."""
    thirty, five = folder / "playbooks" / "thirty-days.toml", folder / "playbook.toml"
    thirty.write_text(thirty.read_text(encoding="utf-8") + NEW_STEP, encoding="utf-8")
    _edit(five, "\n# Two meetings that many teams want", f"{NEW_STEP}\n# Two meetings that many teams want")


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise LookupError(f"{path.name} has no {old!r} any more")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
