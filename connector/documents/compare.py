"""What changed between two versions of a document, in words, section by section.

Not here: files (``shelf``). Compared is Markdown as `papers.markdown` writes it; the foot, which names the policy, does
not count.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FOOT = "\n---\n"
ALIKE = 0.6
"""From which share on two lines are one line that changed (difflib's ratio, 0 to 1)."""
QUOTED_CHARS = 120
"""As much of a line as is quoted."""
LEAD_CHARS = 40
"""As much of what two long lines have in common as is quoted before they part."""

_HEADING = re.compile(r"^#{1,6} (.*)$")
_ESCAPE = re.compile(r"\\([\\`*_\[\]<>|~$&#+=:.()-])")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading and the lines below it; ``head`` are the columns of its first table."""

    title: str
    lines: tuple[str, ...]

    @property
    def head(self) -> tuple[str, ...]:
        rows = [line for line in self.lines if line.startswith("|")]
        return _cells(rows[0]) if rows else ()


def content(markdown: str) -> str:
    """A document without its foot."""
    return markdown.rpartition(FOOT)[0] or markdown


def changes(before: str, after: str) -> tuple[str, ...]:
    """What the later version says otherwise, a line each; empty where only the foot differs."""
    old, new = _sections(content(before)), _sections(content(after))
    return tuple(_changes(old, new))


def lines(before: str, after: str, *, name: str) -> tuple[str, ...]:
    """The same as a unified diff."""
    return tuple(
        difflib.unified_diff(
            content(before).splitlines(),
            content(after).splitlines(),
            f"{name} (before)",
            f"{name} (now)",
            lineterm="",
            n=1,
        )
    )


def _changes(old: dict[str, _Section], new: dict[str, _Section]) -> Iterator[str]:
    for name, section in new.items():
        if name not in old:
            yield f"{section.title}: new section"
        elif old[name].lines != section.lines:
            yield from (f"{section.title}: {words}" for words in _within(old[name], section))
    yield from (f"{section.title}: section is gone" for name, section in old.items() if name not in new)


def _sections(text: str) -> dict[str, _Section]:
    """By heading; of equal ones each has a key of its own."""
    found: dict[str, _Section] = {}
    title, gathered = "", list[str]()
    for line in [*text.splitlines(), "# "]:
        heading = _HEADING.match(line)
        if heading is None:
            gathered += [line] if line.strip() else []
            continue
        if title or gathered:
            key = title
            while key in found:
                key += "'"
            found[key] = _Section(title, tuple(gathered))
        title, gathered = _plain(heading[1]), []
    return found


def _within(old: _Section, new: _Section) -> Iterator[str]:
    matcher = difflib.SequenceMatcher(None, old.lines, new.lines, autojunk=False)
    gone: list[str] = []
    come: list[str] = []
    for tag, low, high, left, right in matcher.get_opcodes():
        if tag != "equal":
            gone += old.lines[low:high]
            come += new.lines[left:right]
    if sorted(gone) == sorted(come):
        yield "the order changed"
        return
    for line in gone:
        partner = _partner(line, come)
        if partner is None:
            yield f"no longer says {_quoted(line)}"
        else:
            come.remove(partner)
            if partner != line:
                yield _became(line, partner, new.head)
    yield from (f"now says {_quoted(line)}" for line in come)


def _partner(line: str, others: Sequence[str]) -> str | None:
    """The line that a line became: the row that begins with the same cell, else the one most like it."""
    if line.startswith("|"):
        first = _cells(line)[:1]
        same = next((each for each in others if each.startswith("|") and _cells(each)[:1] == first), None)
        if same is not None:
            return same
    rated = [(difflib.SequenceMatcher(None, line, each, autojunk=False).ratio(), each) for each in others]
    best = max(rated, default=(0.0, ""))
    return best[1] if best[0] >= ALIKE else None


def _became(before: str, after: str, head: Sequence[str]) -> str:
    old, new = _cells(before), _cells(after)
    if before.startswith("|") and len(old) == len(new) == len(head) and old[0] == new[0]:
        columns = [
            f"{name} {_turned(was, now)}"
            for name, was, now in zip(head[1:], old[1:], new[1:], strict=True)
            if was != now
        ]
        return f"{old[0]}: {'; '.join(columns)}"
    return _turned(_bare(before), _bare(after))


def _turned(before: str, after: str) -> str:
    """Both versions, long ones from a little before where they part."""
    same = next((n for n, (was, now) in enumerate(zip(before, after, strict=False)) if was != now), 0)
    long = max(len(before), len(after)) > QUOTED_CHARS and same > LEAD_CHARS
    start = before.rfind(" ", 0, same - LEAD_CHARS) + 1 if long else 0
    lead = "…" if start else ""
    return f"was {_said(lead + before[start:])}, is now {_said(lead + after[start:])}"


def _cells(line: str) -> tuple[str, ...]:
    return tuple(_plain(cell) for cell in _CELL.split(line.strip().strip("|")))


def _quoted(line: str) -> str:
    return _said(_bare(line))


def _bare(line: str) -> str:
    if line.startswith("|"):
        return ", ".join(cell for cell in _cells(line) if cell)
    return re.sub(r"^- (\[ \] )?", "", _plain(line))


def _said(text: str) -> str:
    cut = text if len(text) <= QUOTED_CHARS else text[: QUOTED_CHARS - 1].rstrip() + "…"
    return f"“{cut}”" if cut else "empty"


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text.replace("**", "")).strip()
