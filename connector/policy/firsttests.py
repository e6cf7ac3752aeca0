"""The shipped tests of the rules, fitted to a first draft of process.toml: its people, its pools, its mild gate.

Not here: the draft itself (``drafting``), and running tests (``expected``). Pure: texts in, text out. A test or a line
that the shipped file no longer has is an error here, so that the two stay together.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.policy.drafting import Firm, toml

_BEGIN = "[[tests]]\n"
_GERMANY = "A small customer in Germany gets the care of the mid-size team"
_HELD = "Without a champion no new deal is handed over, and nobody gets a task"
_WARNED = "Without a champion a new deal goes on, and the gap is told"
_CAPPED = "A CSM at the cap gets no further account"


def first_tests(text: str, firm: Firm) -> str:
    """The file of tests for a draft: what it expects comes of the drafted rules. Raises `ValueError`, see above."""
    head, *blocks = text.split(_BEGIN)
    named = {block.split('"')[1]: block for block in blocks}
    unknown = sorted({_GERMANY, *_CHANGES} - named.keys())
    if unknown:
        raise ValueError(f"the shipped tests have none named {', '.join(unknown)}")
    kept = [
        _CHANGES.get(name, _as_it_is)(block, firm)
        for name, block in named.items()
        if name != _GERMANY and not (name == _CAPPED and len(_members(firm, "enterprise")) == 1)
    ]
    return _BEGIN.join([head, *kept])


def _members(firm: Firm, pool: str) -> tuple[str, ...]:
    value = firm.pools[pool].value
    return (value,) if isinstance(value, str) else value


def _as_it_is(block: str, firm: Firm) -> str:
    del firm
    return block


def _line(block: str, begin: str, new: str) -> str:
    """The block with the one line that begins so replaced; an empty ``new`` takes it out."""
    lines = block.splitlines(keepends=True)
    where = [number for number, line in enumerate(lines) if line.startswith(f"{begin} = ")]
    if len(where) != 1:
        raise ValueError(f"{len(where)} lines of {block.splitlines()[0]} begin with {begin}")
    lines[where[0]] = f"{begin} = {new}\n" if new else ""
    return "".join(lines)


def _small(block: str, firm: Firm) -> str:
    return _line(block, "csm_in", toml(_members(firm, "small")))


def _goes_on(block: str, firm: Firm) -> str:
    """With mode warn a gap holds nothing up."""
    del firm
    note = '# With [gate] mode = "hold" or "revert" this is gate = "Held", csm = "" and tasks = [].\n'
    for begin, new in (("name", toml(_WARNED)), ("csm", ""), ("tasks", ""), ("messages", ""), ("gate", '"Warned"')):
        block = _line(block, begin, new)
    return block.replace("gate = ", f"{note}gate = ", 1)


def _large(block: str, firm: Firm) -> str:
    del firm
    return _line(block, "gate", '"Warned"')


def _known(block: str, firm: Firm) -> str:
    csm = toml(_members(firm, "small")[-1])
    return _line(_line(block, "account", f"{{ csm = {csm} }}"), "csm", csm)


def _capped(block: str, firm: Firm) -> str:
    first, *others = _members(firm, "enterprise")
    block = _line(block, "accounts_of", f"{{ {toml(first)} = 25 }}")
    return _line(block, "csm", "").rstrip("\n") + f"\ncsm_in = {toml(tuple(others))}\n"


_CHANGES: dict[str, Callable[[str, Firm], str]] = {
    "A small new customer is handed over at once": _small,
    _HELD: _goes_on,
    "A large deal must name those who decide, and the day it goes live": _large,
    "A known customer keeps the CSM they have": _known,
    _CAPPED: _capped,
}
"""What changes in which test, by its shipped name."""
