"""Commitments out of process.toml: a field of text, a day of the week, words for the statuses, what follows when late.

Not here: reading the lines (``handoff.commitments``).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from connector.handoff.rulebook.calendars import Clock, Limit
from connector.handoff.rulebook.fields import FieldType
from connector.handoff.rulebook.playbooks import Do, Miss
from connector.handoff.rulebook.watch import CommitmentPolicy, CommitmentStatus
from connector.policy.conditions import Scope
from connector.policy.consequences import NOW, limit
from connector.policy.model.watch import CommitmentsSpec, CommitmentWordsSpec
from connector.policy.model.words import MissSpec
from connector.settings.spans import KeyPath

TEXTS = (FieldType.TEXT, FieldType.LONG_TEXT)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BAR = "|"


def commitments(spec: CommitmentsSpec | None, *, scope: Scope, day: Decimal, ladder: bool) -> CommitmentPolicy | None:
    """What process.toml says of promises; None without the table. What is wrong with it is noted in the scope."""
    if spec is None:
        return None
    at: KeyPath = ("commitments",)
    kind = scope.words.type_of(spec.field)
    if wrong := scope.words.complaint(spec.field):
        scope.complain((*at, "field"), wrong)
    elif kind is not None and kind not in TEXTS:
        message = f"{spec.field} is a {kind.value.replace('_', ' ')}; promises stand in a text, one on each line"
        scope.complain((*at, "field"), message)
    notice = Limit(day, Clock.BUSINESS)
    if spec.within is not None:
        notice = limit(spec.within, at=(*at, "within"), scope=scope, day=day)
    return CommitmentPolicy(
        field=spec.field,
        words=_words(spec.words, at=(*at, "words"), scope=scope),
        weekday=WEEKDAYS.index(spec.weekly) if spec.weekly in WEEKDAYS else None,
        list_as=spec.list_as,
        missed=tuple(_missed(spec, at=at, scope=scope, day=day, ladder=ladder)),
        notice=notice,
        since=spec.since,
    )


def _missed(spec: CommitmentsSpec, *, at: KeyPath, scope: Scope, day: Decimal, ladder: bool) -> Iterator[Miss]:
    for index, one in enumerate(spec.missed):
        here: KeyPath = (*at, "missed", index)
        given = one if isinstance(one, MissSpec) else MissSpec(do=Do(one))
        if given.do is Do.REASSIGN:
            scope.complain(here, "a promise is no task that could be given to somebody else; use remind or escalate")
        if given.do is Do.ESCALATE and not ladder:
            scope.complain(here, "there is no ladder to escalate on; add [[escalation.ladder]]")
        after = Limit(day, Clock.BUSINESS) if index else NOW
        if given.after is not None:
            after = limit(given.after, at=(*here, "after"), scope=scope, day=day)
        yield Miss(given.do, after)


def _words(spec: CommitmentWordsSpec, *, at: KeyPath, scope: Scope) -> dict[str, CommitmentStatus]:
    found = {status.value.replace("_", " "): status for status in CommitmentStatus}
    for status in CommitmentStatus:
        for index, word in enumerate(getattr(spec, status.value)):
            plain = " ".join(word.casefold().split())
            if found.get(plain, status) is not status:
                scope.complain((*at, status.value, index), f"{word!r} means {found[plain].value} already; take one out")
            if BAR in plain:
                scope.complain((*at, status.value, index), "a bar stands between the parts of a line; take it out")
            found[plain] = status
    return found
