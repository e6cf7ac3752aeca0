"""What a whole run printed, kept: as data in ``chaos/results.json``, and as a table in ``docs/reliability.md``.

Not here: the page's words, which people write; only what stands between the two markers is made here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from chaos import ROOT
from chaos.sections import MODULES
from chaos.table import Row, markdown, total

DATA = ROOT / "chaos" / "results.json"
PAGE = ROOT / "docs" / "reliability.md"
UNKNOWN = "unknown"
NOTHING_KEPT = "\nNo whole run is kept here yet; `python -m chaos --keep` puts its tables in this place.\n"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"


def keep(rows: Mapping[str, Sequence[Row]], took: Mapping[str, float], *, about: Mapping[str, Any]) -> None:
    """Put the sections of this run in their places, in the data and on the page; ``took`` is seconds by section."""
    kept = load()
    for name, found in rows.items():
        kept[name] = {**about, "seconds": round(took[name]), "rows": [row.data() for row in found]}
    DATA.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(inserted(PAGE.read_text(encoding="utf-8"), page(kept)), encoding="utf-8")


def code() -> str:
    """Which code this is: the commit, and whether files differ from it; without a history, that it is unknown."""
    told = [
        subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        for words in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
    ]
    if any(each.returncode for each in told):
        return UNKNOWN
    return told[0].stdout.strip() + (" with changes" if told[1].stdout.strip() else "")


def load() -> dict[str, Any]:
    """What is kept, by section."""
    return json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}


def page(kept: Mapping[str, Any]) -> str:
    """What stands between the markers."""
    if not kept:
        return NOTHING_KEPT
    named = [name for name in MODULES if name in kept]
    rows = {name: [Row.of(each) for each in kept[name]["rows"]] for name in named}
    whole = total(row for name in named for row in rows[name])
    parts = [f"\n**{whole.line}**\n"]
    if whole.kinds:
        parts.append("\nFaults by kind:\n\n" + "".join(f"- {line}\n" for line in whole.kinds))
    parts += _seams(kept, named)
    for name in named:
        told = kept[name]
        words = f"{told['when']}, {_code(told)}, seed {told['seed']}, {told['seconds']} s on {told['machine']}."
        parts.append(f"\n### {name}\n\n{words}\n")
        parts.append(f"\n{markdown(name, rows[name])}")
    return "".join(parts)


def _code(told: Mapping[str, Any]) -> str:
    return f"code {told.get('code', UNKNOWN)}"


def _seams(kept: Mapping[str, Any], named: Sequence[str]) -> list[str]:
    """What the sum above does not say: that it is put together of several runs, or lacks sections."""
    runs = {(_code(kept[name]), kept[name]["seed"]) for name in named}
    found = []
    if len(runs) > 1:
        found.append("\nThe sum is put together of runs of different code or seed, as told at each section.\n")
    if missing := [name for name in MODULES if name not in kept]:
        found.append(f"\nNot in the sum, because no run of them is kept: {', '.join(missing)}.\n")
    return found


def inserted(text: str, made: str) -> str:
    """A page with what is between its markers made anew. Raises ValueError without both markers."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}{made}{END}{after}"
