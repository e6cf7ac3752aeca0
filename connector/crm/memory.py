"""A CRM in memory behind the same port, for tests of the engine: strict where real ones are strict.

Not a mock: it keeps records, refuses what a CRM would refuse row by row, trims text, keeps whole seconds, and shows
late what is committed late. The methods below ``# what people and fate do`` are for tests and stand in no port.
"""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from connector.clock import Clock
from connector.crm.live import (
    LiveFeed,
)
from connector.crm.memory_fields import FIELDS, NOT_WRITABLE, Refusal, kept, schema
from connector.crm.memory_jobs import MemoryJobs
from connector.crm.memory_past import SELF, mover_of, passed
from connector.crm.memory_rows import Row, meeting_of, record_of, task_of
from connector.crm.port import (
    Capabilities,
    Change,
    ChangePage,
    DailyCalls,
    DealFacts,
    Examination,
    ObjectSchema,
    poll_one_by_one,
    read_place,
)
from connector.crm.rounds import Rounds
from connector.crm.writing import (
    Applied,
    Bulk,
    Jobs,
    Operation,
    Refused,
    Unknown,
    Write,
    WriteOutcome,
)
from connector.errors import CrmError, Fault, FaultCode, Problem
from connector.handoff.model import (
    Contact,
    CrmNote,
    DealType,
    Kind,
    Person,
    Span,
    Stage,
    SystemName,
    Touch,
    TouchKind,
    Value,
)
from connector.handoff.moves import NOBODY_KNOWN
from connector.handoff.plan import Notify

PAGE = 100
BATCH = 200
MADE = frozenset({Kind.TASK, Kind.NOTE, Kind.MEETING, Kind.EMAIL, Kind.MEMBER})
"""What is made, and found again by its key."""
LAG_SECONDS = 600.0
LOST = Fault(FaultCode.OUTCOME_UNKNOWN, "LOST", "the answer never came")


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """One line of the feed, in the order in which it becomes visible."""

    visible_at: datetime
    number: int
    deal_id: str = field(compare=False)
    modified_at: datetime = field(compare=False)
    by_self: bool = field(compare=False)


class MemoryCRM:
    """Implements `connector.crm.port.CRM`. ``notes_have_keys`` False makes notes as forgetful as Salesforce's.

    With ``bulk`` it takes updates of deals as jobs; ``made_jobs`` are they. With ``tells_history`` it says which wins
    were left again and who moved a deal.
    """

    def __init__(
        self,
        *,
        system: SystemName,
        clock: Clock,
        people: Sequence[Person],
        stages: Sequence[Stage],
        page_size: int = PAGE,
        notes_have_keys: bool = False,
        home: str = "memory",
        on_call: Callable[[str], None] = lambda label: None,  # noqa: ARG005
        bulk: Bulk | None = None,
        tells_history: bool = False,
    ) -> None:
        self._system = system
        self._clock = clock
        self._people = {person.id: person for person in people}
        self._stages = {stage.id: stage for stage in stages}
        self._page_size = page_size
        self._tells_history = tells_history
        self._native = MADE if notes_have_keys else MADE - {Kind.NOTE}
        self._on_call = on_call
        self.home_id = home
        self.bells: list[Notify] = []
        self.calls_today: DailyCalls | None = None
        self.gone_through: Rounds | None = None
        self._rows: dict[str, Row] = {}
        self._hanging: dict[str, list[str]] = defaultdict(list)
        self._by_key: dict[tuple[Kind, str], str] = {}
        self._touches: dict[str, list[Touch]] = defaultdict(list)
        self._replies: dict[str, list[datetime]] = defaultdict(list)
        self._contacts: dict[str, list[Contact]] = defaultdict(list)
        self._events: dict[str, list[Span]] = defaultdict(list)
        self._feed: list[_Entry] = []
        self._numbers = itertools.count(1)
        self._late = timedelta()
        self._lost_answers = 0
        self._failures: list[Fault] = []
        self._refusals: list[Fault] = []
        self._bulk = {(Kind.DEAL, Operation.UPDATE): bulk} if bulk else {}
        self.made_jobs = MemoryJobs(self._apply_row, called=self._called)

    # the port

    @property
    def system(self) -> SystemName:
        """The name it was given."""
        return self._system

    @property
    def capabilities(self) -> Capabilities:
        """200 rows per call."""
        operations = [
            (kind, Operation.UPSERT) for kind in (Kind.TASK, Kind.NOTE, Kind.MEETING, Kind.EMAIL, Kind.MEMBER)
        ]
        operations += [(kind, Operation.UPDATE) for kind in (Kind.DEAL, Kind.ACCOUNT)]
        return Capabilities(
            max_batch=dict.fromkeys(operations, BATCH),
            native_upsert=self._native,
            change_lag=LAG_SECONDS,
            bulk=self._bulk,
        )

    @property
    def jobs(self) -> Jobs | None:
        """Jobs, where it was given any."""
        return self.made_jobs if self._bulk else None

    @property
    def home(self) -> str:
        """As it was given."""
        return self.home_id

    @property
    def daily_calls(self) -> DailyCalls | None:
        """As tests set it."""
        return self.calls_today

    def connect(self) -> tuple[Problem, ...]:
        """Nothing to log in to."""
        self._called("connect")
        return ()

    def relearn(self) -> tuple[Problem, ...]:
        """All its fields are there."""
        self._called("relearn")
        return ()

    def server_time(self) -> datetime:
        """The clock it was given, whole seconds."""
        return self._clock.now().replace(microsecond=0)

    def feeds(self) -> tuple[str, ...]:
        """One feed of deals."""
        return ("deal",)

    def start_cursor(self, feed: str, at: datetime) -> str:
        """The cursor before everything that becomes visible from then on."""
        del feed
        return f"{at.isoformat()}|0"

    def poll(self, cursors: Mapping[str, str]) -> Mapping[str, ChangePage | Fault]:
        """One call per feed."""
        return poll_one_by_one(self, cursors)

    def changes(self, feed: str, cursor: str) -> ChangePage:
        """Lines that have become visible since the cursor."""
        self._called(f"changes.{feed}")
        start = bisect.bisect_right(self._feed, read_place(feed, _entry_at, cursor))
        now = self._clock.now()
        told = list(itertools.takewhile(lambda e: e.visible_at <= now, self._feed[start : start + self._page_size]))
        if told:
            cursor = f"{told[-1].visible_at.isoformat()}|{told[-1].number}"
        changes = tuple(Change(each.deal_id, each.modified_at, by_self=each.by_self) for each in told)
        return ChangePage(changes=changes, cursor=cursor, more=len(told) == self._page_size)

    def live(self) -> LiveFeed | None:
        """Nothing is pushed."""
        return None

    def fetch(self, deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        """Deals as they stand, always whole."""
        del bare
        self._called("fetch")
        found = ((deal_id, self._rows.get(deal_id)) for deal_id in dict.fromkeys(deal_ids))
        return {deal_id: self._facts(row) for deal_id, row in found if row is not None and row.kind is Kind.DEAL}

    def people(self) -> tuple[Person, ...]:
        """Everybody."""
        self._called("people")
        return tuple(self._people.values())

    def account_counts(self) -> Mapping[str, int]:
        """Accounts per CSM."""
        self._called("account_counts")
        held = (row.values.get("csm") for row in self._rows.values() if row.kind is Kind.ACCOUNT)
        return dict(Counter(str(each) for each in held if each))

    def busy(self, people: Sequence[str], *, start: datetime, end: datetime) -> Mapping[str, tuple[Span, ...]]:
        """By the meetings' owners, ours included."""
        self._called("busy")
        found: dict[str, list[Span]] = {each: list(self._events[each]) for each in people}
        for row in self._rows.values():
            owner, begins, ends = (row.values.get(name) for name in ("owner", "start", "end"))
            if (
                row.kind is Kind.MEETING
                and owner in found
                and isinstance(begins, datetime)
                and isinstance(ends, datetime)
            ):
                found[str(owner)].append(Span(begins, ends))
        return {each: tuple(span for span in spans if span.meets(start, end)) for each, spans in found.items()}

    def stages(self) -> tuple[Stage, ...]:
        """Every stage."""
        self._called("stages")
        return tuple(self._stages.values())

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """Each row by itself; a lost answer is unknown for all of them though all were done."""
        self._called("apply")
        outcomes = tuple(self._apply_row(write) for write in writes)
        if self._lost_answers:
            self._lost_answers -= 1
            return tuple(Unknown(LOST) for _ in writes)
        return outcomes

    def tell(self, notice: Notify) -> None:
        """Keep it where tests can read it."""
        self._called("tell")
        self.bells.append(notice)

    def find(self, kind: Kind, keys: Mapping[str, str]) -> Mapping[str, str]:
        """Which keys exist."""
        self._called("find")
        return {row.key: row.id for row in self._rows.values() if row.kind is kind and row.key in keys and row.key}

    def scan_won(self, since: date | None) -> Iterator[tuple[str, ...]]:
        """Won deals, a page at a time."""
        won = [row for row in self._rows.values() if row.kind is Kind.DEAL and self._stage(row).is_won]
        ids = [row.id for row in won if since is None or self._is_recent(row, since)]
        for start in range(0, len(ids), self._page_size):
            self._called("scan_won")
            yield tuple(ids[start : start + self._page_size])

    def scan_changed(self, since: datetime) -> Iterator[tuple[Change, ...]]:
        """Deals by their last change."""
        self._called("scan_changed")
        yield tuple(
            Change(deal_id=row.id, modified_at=row.modified_at, by_self=row.by == SELF)
            for row in self._rows.values()
            if row.kind is Kind.DEAL and row.modified_at >= since
        )

    def rounds(self) -> Rounds | None:
        """None, unless a test hands some in."""
        return self.gone_through

    def earliest_start(self) -> datetime | None:
        """The first ``started_at``."""
        self._called("earliest_start")
        starts = (row.values.get("started_at") for row in self._rows.values() if row.kind is Kind.DEAL)
        return min((each for each in starts if isinstance(each, datetime)), default=None)

    def describe(self, kind: Kind) -> ObjectSchema:
        """The fields it checks."""
        self._called("describe")
        return schema(kind)

    def raw(self, kind: Kind, record_id: str, fields: Sequence[str]) -> Mapping[str, str]:
        """The values as they are kept."""
        self._called("raw")
        row = self._rows.get(record_id)
        values = row.values if row is not None and row.kind is kind else {}
        return {name: str(value) for name in fields if (value := values.get(name)) is not None}

    def examine(self) -> Examination:
        """Nothing besides its fields."""
        return Examination()

    def visit(self) -> Mapping[Kind, ObjectSchema]:
        """Everything it has is there."""
        self._called("connect")
        return {kind: self.describe(kind) for kind in (Kind.DEAL, Kind.ACCOUNT)}

    def last_won(self, count: int, *, since: date | None = None) -> tuple[str, ...]:
        """Won deals, the latest close date first."""
        self._called("last_won")
        won = [row for row in self._rows.values() if row.kind is Kind.DEAL and self._stage(row).is_won]
        recent = [row for row in won if since is None or self._is_recent(row, since)]
        ordered = sorted(recent, key=lambda row: (str(row.values.get("close_date") or ""), row.id), reverse=True)
        return tuple(row.id for row in ordered[:count])

    def texts(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """By canonical names, which are its own."""
        self._called("texts")
        rows = {each: self._rows[each] for each in ids if each in self._rows and self._rows[each].kind is kind}
        return {
            each: {name: str(row.values[name]) for name in fields if row.values.get(name) not in (None, "")}
            for each, row in rows.items()
        }

    # what people and fate do

    def add_account(self, **values: Value) -> str:
        """A person makes an account."""
        return self._insert(Kind.ACCOUNT, values, by="person").id

    def add_deal(self, *, stage: str, account_id: str | None = None, by: str = "person", **values: Value) -> str:
        """A person makes a deal in a stage."""
        row = self._insert(Kind.DEAL, {**values, "stage": stage}, by=by, account_id=account_id)
        return row.id

    def add_task(self, deal_id: str, *, subject: str, owner: str, by: str = "person") -> str:
        """A person makes a task of their own."""
        return self._insert(Kind.TASK, {"subject": subject, "owner": owner}, by=by, deal_id=deal_id).id

    def add_touch(self, deal_id: str, kind: TouchKind, *, by: str, at: datetime) -> None:
        """A call, email or meeting is logged."""
        self._touches[deal_id].append(Touch(kind=kind, at=at, by=by))
        self._tell(deal_id, by="person")

    def add_reply(self, deal_id: str, *, at: datetime) -> None:
        """The customer writes."""
        self._replies[deal_id].append(at)
        self._tell(deal_id, by="person")

    def add_contact(self, deal_id: str, contact: Contact) -> None:
        """Somebody at the customer gets a role on a deal."""
        self._contacts[deal_id].append(contact)
        self._tell(deal_id, by="person")

    def add_event(self, person_id: str, span: Span) -> None:
        """A person's calendar is taken then."""
        self._events[person_id].append(span)

    def edit(self, record_id: str, *, by: str = "person", **values: Value) -> None:
        """A person edits a record. Raises KeyError when it is gone."""
        self._update(self._rows[record_id], values, by=by)

    def delete(self, record_id: str) -> None:
        """A person deletes a record and what hangs on it."""
        row = self._rows.pop(record_id)
        if row.key:
            self._by_key.pop((row.kind, row.key), None)
        for each in self._hanging.pop(record_id, []):
            if each in self._rows:
                self.delete(each)

    def merge(self, winner: str, loser: str) -> None:
        """A person merges two deals: what the winner lacks comes from the loser, with all that hangs on it."""
        row, gone = self._rows[winner], self._rows[loser]
        moved = [each for each in self._hanging.pop(loser, []) if each in self._rows]
        for each in moved:
            self._rows[each].deal_id = winner
        self._hanging[winner] += moved
        self._touches[winner] += self._touches.pop(loser, [])
        self._replies[winner] += self._replies.pop(loser, [])
        row.merged = (*row.merged, *gone.merged, loser)
        self.delete(loser)
        lacking = {name: value for name, value in gone.values.items() if row.values.get(name) in (None, "")}
        self._update(row, lacking, by="person")

    def row(self, record_id: str) -> Row:
        """A record as it stands. Raises KeyError when it is gone."""
        return self._rows[record_id]

    def rows(self, kind: Kind) -> tuple[Row, ...]:
        """All records of a kind."""
        return tuple(row for row in self._rows.values() if row.kind is kind)

    def set_person(self, person: Person) -> None:
        """Hire someone, or change what is known of them (``active=False``: they left)."""
        self._people[person.id] = person

    def lose_answers(self, count: int = 1) -> None:
        """The next so many batches are done, and their answers lost."""
        self._lost_answers += count

    def fail_calls(self, *faults: Fault) -> None:
        """The next calls fail with these, one each, and do nothing."""
        self._failures.extend(faults)

    def refuse_rows(self, *faults: Fault) -> None:
        """The next rows written are refused with these, one each."""
        self._refusals.extend(faults)

    def commit_late(self, delay: timedelta) -> None:
        """From now on a change is told this long after its stamp; zero ends it."""
        self._late = delay

    def tell_again(self, deal_id: str) -> None:
        """The feed tells of a deal though nothing changed."""
        self._tell(deal_id, by="person")

    # writing

    def _apply_row(self, write: Write) -> WriteOutcome:
        if self._refusals:
            return Refused(self._refusals.pop(0))
        try:
            row = self._write(write)
        except Refusal as refusal:
            return Refused(refusal.fault)
        return Applied(row.id, row.modified_at)

    def _write(self, write: Write) -> Row:
        record_id = write.record_id
        if record_id is None and write.key and write.kind in self._native:
            record_id = self._by_key.get((write.kind, write.key))
        if record_id is not None:
            row = self._rows.get(record_id)
            if row is None or row.kind is not write.kind:
                raise Refusal(FaultCode.RECORD_GONE, "GONE", f"no {write.kind.value} {record_id}")
            return self._update(row, write.values, by=SELF)
        if write.operation is Operation.UPDATE:
            raise Refusal(FaultCode.REJECTED, "NO_ID", "an update names its record")
        deal_id = write.parents[0].id if write.parents else ""
        if deal_id not in self._rows:
            raise Refusal(FaultCode.REJECTED, "NO_PARENT", f"no deal {deal_id}")
        return self._insert(write.kind, write.values, by=SELF, deal_id=deal_id, key=write.key)

    def _insert(
        self,
        kind: Kind,
        values: Mapping[str, Value],
        *,
        by: str,
        deal_id: str = "",
        key: str | None = None,
        account_id: str | None = None,
    ) -> Row:
        checked = self._checked(kind, values)
        now = self.server_time()
        row_id = f"{kind.value}-{next(self._numbers)}"
        row = Row(
            kind=kind, id=row_id, values={}, modified_at=now, by=by, deal_id=deal_id or row_id, key=key,
            account_id=account_id,
        )  # fmt: skip
        self._rows[row_id] = row
        if deal_id:
            self._hanging[deal_id].append(row_id)
        if key:
            self._by_key[(kind, key)] = row_id
        self._set(row, checked, by=by)
        return row

    def _update(self, row: Row, values: Mapping[str, Value], *, by: str) -> Row:
        self._set(row, self._checked(row.kind, values), by=by)
        return row

    def _set(self, row: Row, values: Mapping[str, Value], *, by: str) -> None:
        now = self.server_time()
        if row.kind is Kind.DEAL and "stage" in values and values["stage"] != row.values.get("stage"):
            row.stages.append((now, str(values["stage"])))
            row.movers.append(by)
        if row.kind is Kind.TASK and "status" in values:
            was, done = row.values.get("status") == "done", values["status"] == "done"
            row.done_at = (row.done_at if was else now) if done else None
        row.values.update(values)
        row.modified_at, row.by = now, by
        if row.kind in (Kind.DEAL, Kind.MEETING) or (row.kind is Kind.TASK and row.values.get("status") == "done"):
            self._tell(row.deal_id, by=by)

    def _checked(self, kind: Kind, values: Mapping[str, Value]) -> dict[str, Value]:
        checked = {}
        for name, value in values.items():
            if name not in FIELDS[kind] or (kind, name) in NOT_WRITABLE:
                raise Refusal(FaultCode.REJECTED, "NO_SUCH_FIELD", f"{kind.value} has no writable field {name}")
            checked[name] = kept(kind, name, value, people=self._people, stages=self._stages)
        return checked

    def _tell(self, deal_id: str, *, by: str) -> None:
        now = self._clock.now()
        entry = _Entry(now + self._late, next(self._numbers), deal_id, self.server_time(), by_self=by == SELF)
        bisect.insort(self._feed, entry)

    def _called(self, label: str) -> None:
        self._on_call(label)
        if self._failures:
            raise CrmError(self._failures.pop(0))

    # reading

    def _facts(self, row: Row) -> DealFacts:
        hanging = [self._rows[each] for each in self._hanging.get(row.id, ()) if each in self._rows]
        account = self._rows.get(row.account_id) if row.account_id else None
        stage = self._stage(row)
        deal_type = row.values.get("type")
        return DealFacts(
            deal=record_of(row),
            stage=stage,
            deal_type=DealType(str(deal_type)) if deal_type else DealType.NEW,
            modified_at=row.modified_at,
            account=record_of(account) if account else None,
            won_at=self._won_at(row) if stage.is_won else None,
            stage_before_win=next((s for _, s in reversed(row.stages) if not self._stages[s].is_closed), None),
            tasks=tuple(task_of(each) for each in hanging if each.kind is Kind.TASK),
            notes=tuple(
                CrmNote(id=each.id, key=each.key, body=str(each.values.get("body") or ""))
                for each in hanging
                if each.kind is Kind.NOTE and each.key
            ),
            touches=tuple(sorted(self._touches[row.id], key=lambda touch: touch.at)),
            replies=tuple(sorted(self._replies[row.id])),
            meetings=tuple(meeting_of(each) for each in hanging if each.kind is Kind.MEETING and each.key),
            contacts=tuple(self._contacts[row.id]),
            merged=row.merged,
            won_by=mover_of(row.movers[-1]) if self._tells_history and stage.is_won else NOBODY_KNOWN,
            passed=passed(row, self._stages.__getitem__) if self._tells_history else (),
        )

    def _stage(self, row: Row) -> Stage:
        return self._stages[str(row.values["stage"])]

    def _won_at(self, row: Row) -> datetime | None:
        return row.stages[-1][0] if row.stages else None

    def _is_recent(self, row: Row, since: date) -> bool:
        close, won = row.values.get("close_date"), self._won_at(row)
        return (isinstance(close, date) and close >= since) or (won is not None and won.date() >= since)


def _entry_at(cursor: str) -> _Entry:
    at, _, number = cursor.partition("|")
    return _Entry(datetime.fromisoformat(at), int(number), "", datetime.fromisoformat(at), by_self=False)
