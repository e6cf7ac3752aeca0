"""The mapping files of the demo's quarter: the shipped ones with those lines switched on that a quarter is to show.

Not here: the shipped files, which stay as they are; nothing is changed that an admin could not change in the same way.
"""

from __future__ import annotations

from pathlib import Path

FIRST = "[handoff]\n"
NAMED = 'playbooks = ["playbooks/thirty-days.toml"]\n'
TASK = "[[playbooks.tasks]]\n"
ESCALATED = 'missed = ["escalate"]\n'
LARGER = 'when = { deal_type = { is = "new" }, segment = { in = ["mid", "enterprise"] } }'
DONE_WHEN = {
    "welcome-packet": "email_logged",
    "schedule-setup-call": "call_logged",
    "run-setup-call": "meeting_held",
    "check-in": "call_logged",
    "review-changes": "call_logged",
    "check-in-after-change": "call_logged",
}
"""How the steps that the shipped default leaves to a person's tick are seen to be done."""
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
    """Small customers get the five tasks, larger ones the thirty days; what nobody does goes up the ladder; people's
    calendars say when they are away; a field of the org's own says what became of a meeting."""
    _edit(folder / "process.toml", FIRST, FIRST + NAMED)
    _edit(folder / "process.toml", "# away_from_calendar = true", "away_from_calendar = true")
    _edit(folder / "salesforce.toml", "\nminutes = {", "\n" + OUTCOME + "minutes = {")
    thirty = folder / "playbooks" / "thirty-days.toml"
    _edit(thirty, 'when = { deal_type = { is = "new" } }', LARGER)
    for path in (thirty, folder / "playbook.toml"):
        path.write_text(_consequent(path.read_text(encoding="utf-8")), encoding="utf-8")


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


def _consequent(text: str) -> str:
    """Each task with what follows when nobody does it, and with a signal where it has none."""
    head, *tasks = text.split(f"\n{TASK}")
    return head + "".join(f"\n{TASK}{_task(each)}" for each in tasks)


def _task(text: str) -> str:
    first, _, rest = text.partition("\n")
    step = first.removeprefix("step = ").strip('"')
    own = rest.partition("\n[")[0]
    more = "" if "\nmissed = " in own else ESCALATED
    if step in DONE_WHEN and "\ndone_when = " not in own:
        more += f'done_when = [{{ signal = "{DONE_WHEN[step]}" }}]\n'
    return f"{first}\n{more}{rest}"
