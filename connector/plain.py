"""Text from outside, without the characters that act on whatever shows or keeps it, and the numbers of rows in it.

Not here: what HTML, SOQL, a chat or a spreadsheet would read into ordinary characters; each escapes where it writes.
What goes: control characters (terminal sequences, NUL, which PostgreSQL refuses), marks that turn a line around or hide
in it, and halves of characters, which no CRM, database or UTF-8 stream can hold.
"""

from __future__ import annotations

import re

BREAKS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""Everything that some program takes for the end of a line, besides the line feed itself."""

HARMFUL = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What no text of a person needs. The joiners U+200C and U+200D stay: Persian words and composed emoji need them."""

_NOT_PLAIN = r"\s@<>,;:\"\\()\[\]\x7f-\U0010ffff"
ADDRESS = re.compile(rf"(?!.*=\?)[^{_NOT_PLAIN}]{{1,64}}@[^{_NOT_PLAIN}]{{1,255}}", re.ASCII)
"""One mail address and nothing else: no list, no name, no route (RFC 5321 allows more, no CRM gives a user more).
With other letters than ASCII it would need a server that speaks SMTPUTF8 (RFC 6531)."""

MOST_ROW = 2**63 - 1
"""The greatest number of a row that a database has; a greater one makes it fail."""

_NOT_FOR_ONE_LINE = re.compile("[\t\n]|" + BREAKS.pattern + "|" + HARMFUL.pattern)


def scrubbed(text: str) -> str:
    """The text with every kind of line end as a line feed, and nothing harmful in it."""
    return HARMFUL.sub("", BREAKS.sub("\n", text))


def escaped(text: str, *, keep: str = "") -> str:
    """The text on one line of a terminal or log: what acts is shown as ``\\x1b`` instead. ``keep`` stays as it is."""
    return _NOT_FOR_ONE_LINE.sub(lambda found: _shown(found[0], keep), text)


def storable(text: str) -> str:
    """The text as every database and UTF-8 stream can hold it: without NUL and without halves of characters.

    All else is kept: for records of what happened, where a loss would be one.
    """
    if text.isascii() and "\x00" not in text:  # nearly all of it, and the database asks for every text
        return text
    return _UNSTORABLE.sub("\ufffd", text)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _shown(found: str, keep: str) -> str:
    return "".join(each if each in keep else each.encode("unicode_escape").decode("ascii") for each in found)


def row_number(text: str) -> int | None:
    """The number of a row that a text names, from 1 on; None when no row can have it."""
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(MOST_ROW)):
        return None
    number = int(text)
    return number if 0 < number <= MOST_ROW else None
