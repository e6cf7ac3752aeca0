"""Policies that ran: the mapping files by their digest, so that a changed one can be held against the one before it.

Not here: reading and comparing them (``policy``, ``engine.policydiff``). Mappings hold no secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from connector.store.database import Part
from connector.store.schema import policy

KEPT = 20
"""Policies that are remembered; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A policy that ran; ``at`` is when a daemon last started with it."""

    digest: str
    at: datetime


class Policies(Part):
    """Mapping files by digest."""

    def keep_policy(self, digest: str, files: Mapping[str, str]) -> None:
        """Remember a folder of mapping files (texts by relative name)."""
        with self._db.write() as connection:
            row = {"digest": digest, "files": json.dumps(dict(files), sort_keys=True), "at": self._db.now()}
            statement = self._db.insert(policy).values(**row)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["digest"], set_={"at": statement.excluded.at})
            )
            newest = select(policy.c.digest).order_by(policy.c.at.desc(), policy.c.digest).limit(KEPT)
            kept = connection.execute(newest).scalars().all()
            connection.execute(delete(policy).where(policy.c.digest.not_in(kept)))

    def policies(self) -> tuple[PolicyVersion, ...]:
        """The policies that are remembered, the one a daemon started with last first."""
        query = select(policy.c.digest, policy.c.at).order_by(policy.c.at.desc(), policy.c.digest)
        with self._db.read() as connection:
            return tuple(PolicyVersion(row.digest, row.at) for row in connection.execute(query))

    def policy_files(self, digest: str) -> Mapping[str, str] | None:
        """The files of a policy that ran; None when they are not remembered."""
        with self._db.read() as connection:
            text = connection.execute(select(policy.c.files).where(policy.c.digest == digest)).scalar_one_or_none()
        return None if text is None else dict(json.loads(text))
