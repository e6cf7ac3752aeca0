"""The state file of a world: one JSON line per write, compacted at start and at a clean stop.

Not a database: a crash of the sandbox may cost the last, half-written line and nothing else.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime
from typing import IO, TYPE_CHECKING, Any

from connector.sandbox.messages import Message
from connector.sandbox.rows import Change, Row

if TYPE_CHECKING:
    from pathlib import Path

    from connector.sandbox.rows import Table
    from connector.sandbox.state import World


class Keeper:
    """Appends to one file, reads it back, and rewrites it without what was overwritten."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def row(self, table: Table, row: Row, *, changes: int) -> None:
        """Note the row as it stands and its last `changes` history entries."""
        history = row.history[len(row.history) - changes :]
        whole = changes == len(row.history)
        self._write({"t": table.name, "n": table.world.counters[table.name], "w": whole, **_dump(row, history)})

    def gone(self, table: Table, row: Row) -> None:
        """Note that a row was rolled back out of existence."""
        self._write({"gone": row.id, "t": table.name})

    def setting(self, key: str, value: Any) -> None:
        """Note one setting."""
        self._write({"set": key, "value": value})

    def message(self, message: Message) -> None:
        """Note one chat message."""
        self._write(_message(message))

    def flush(self) -> None:
        """Hand the noted lines to the operating system."""
        if self._file:
            self._file.flush()

    def close(self) -> None:
        """Close the file; nothing can be noted after it."""
        if self._file:
            self._file.close()
            self._file = None

    def load(self, world: World) -> bool:
        """Read the file into the world; True if there was one. A torn last line is dropped."""
        if not self._path.exists():
            return False
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    entry = json.loads(line, object_hook=_revive)
                except json.JSONDecodeError:
                    break
                _replay(world, entry)
        return True

    def compact(self, world: World) -> None:
        """Rewrite the file with the present state only and keep it open for more."""
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            for key, value in world.settings.items():
                file.write(_encode({"set": key, "value": value}))
            for message in world.messages:
                file.write(_encode(_message(message)))
            for table in world.tables.values():
                counter = world.counters[table.name]
                for row in table.rows.values():
                    file.write(_encode({"t": table.name, "n": counter, **_dump(row, row.history)}))
        os.replace(fresh, self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def _write(self, entry: dict[str, Any]) -> None:
        if self._file:
            self._file.write(_encode(entry))


def _encode(entry: dict[str, Any]) -> str:
    return json.dumps(entry, default=_plain, separators=(",", ":")) + "\n"


def _plain(value: Any) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"$at": value.isoformat()}
    if isinstance(value, date):
        return {"$on": value.isoformat()}
    raise TypeError(f"a row cannot hold {type(value).__name__}")


def _revive(found: dict[str, Any]) -> Any:
    if len(found) == 1:
        if "$at" in found:
            return datetime.fromisoformat(found["$at"])
        if "$on" in found:
            return date.fromisoformat(found["$on"])
    return found


def _dump(row: Row, history: list[Change]) -> dict[str, Any]:
    return {
        "id": row.id,
        "v": row.values,
        "c": [row.created_at.isoformat(), row.created_by],
        "m": [row.modified_at.isoformat(), row.modified_by],
        "s": row.visible_at.isoformat(),
        "d": row.deleted_at.isoformat() if row.deleted_at else None,
        "h": [[c.at.isoformat(), c.field, c.old, c.new, c.by] for c in history],
    }


def _message(message: Message) -> dict[str, Any]:
    return {"msg": message.id, "at": message.at, "body": message.body, "key": message.key}


def _replay(world: World, entry: dict[str, Any]) -> None:
    if "set" in entry:
        world.take_setting(entry["set"], entry["value"])
        return
    if "msg" in entry:
        # Worlds of one sandbox may share their messages, and then each keeps all of them.
        if entry["msg"] > len(world.messages):
            world.messages.append(Message(id=entry["msg"], at=entry["at"], body=entry["body"], key=entry["key"]))
        return
    table = world.tables.get(entry["t"])
    if table is None:
        return
    if "gone" in entry:
        table.rewind(entry["gone"], None)
        return
    world.counters[table.name] = max(world.counters[table.name], entry["n"])
    known = None if entry.get("w") else table.rows.get(entry["id"])
    history = [Change(at=_instant(at), field=name, old=old, new=new, by=by) for at, name, old, new, by in entry["h"]]
    table.put(
        Row(
            id=entry["id"],
            values=entry["v"],
            created_at=_instant(entry["c"][0]),
            created_by=entry["c"][1],
            modified_at=_instant(entry["m"][0]),
            modified_by=entry["m"][1],
            visible_at=_instant(entry["s"]),
            deleted_at=_instant(entry["d"]) if entry["d"] else None,
            history=[*(known.history if known else ()), *history],
        )
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
