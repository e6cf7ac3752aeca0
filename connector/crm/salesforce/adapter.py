"""The `CRM` port over one Salesforce org: it only hands each question to the part that answers it.

Not here: requests (``session``), SOQL (``soql``), failures (``faults``), values (``wire``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from connector.clock import Clock, SystemClock
from connector.crm.budget import Company
from connector.crm.live import (
    LiveFeed,
)
from connector.crm.port import (
    Capabilities,
    Change,
    ChangePage,
    DailyCalls,
    DealFacts,
    Examination,
    ObjectSchema,
)
from connector.crm.retry import ReadRetry
from connector.crm.rounds import Rounds
from connector.crm.salesforce import bulk, diaries, feeds, lookups, pubsub
from connector.crm.salesforce.bell import Bell
from connector.crm.salesforce.currency import CODE, CURRENCY, read_rates
from connector.crm.salesforce.examine import examine
from connector.crm.salesforce.fields import STAGE_CHANGED, Names
from connector.crm.salesforce.keys import LEDGER_OBJECT, KeyMode, mode_of, said
from connector.crm.salesforce.login import SalesforceLogin
from connector.crm.salesforce.pubsub.feed import SalesforceLive
from connector.crm.salesforce.pubsub.topics import LiveOptions
from connector.crm.salesforce.reads import CONTACT, CONTACT_ROLE, DealReader
from connector.crm.salesforce.sentmails import as_tasks, kept_as
from connector.crm.salesforce.session import OnCall, SalesforceSession
from connector.crm.salesforce.soql import PAGE
from connector.crm.salesforce.transport import CONNECT_TIMEOUT, READ_TIMEOUT
from connector.crm.salesforce.writes import BATCH, KEYED, Writer
from connector.crm.writing import (
    Jobs,
    Operation,
    Write,
    WriteOutcome,
)
from connector.errors import CrmError, Fault, Problem
from connector.handoff.model import Kind, Person, Span, Stage, SystemName
from connector.handoff.plan import Notify
from connector.handoff.rulebook.fields import FieldOwner
from connector.policy.crmmap import CrmMap, path_of

OPERATIONS: tuple[tuple[Kind, Operation], ...] = (
    (Kind.DEAL, Operation.UPDATE),
    (Kind.ACCOUNT, Operation.UPDATE),
    (Kind.TASK, Operation.UPSERT),
    (Kind.NOTE, Operation.UPSERT),
    (Kind.MEETING, Operation.UPSERT),
    (Kind.MEMBER, Operation.UPSERT),
    (Kind.EMAIL, Operation.UPSERT),
)


RATES_LAST = timedelta(days=1)
"""How old exchange rates may be: people edit them, and orgs with dated rates get new ones every period."""

ALSO: Mapping[Kind, tuple[str, ...]] = {
    Kind.DEAL: (STAGE_CHANGED,),
    Kind.MEETING: (diaries.WHOLE_DAY, diaries.SHOWN_AS, diaries.MINUTES),
}
"""Fields of the vendor's own that are read where the login sees them."""

CONTACTS_NEED: Mapping[str, tuple[str, ...]] = {
    CONTACT_ROLE: ("OpportunityId", "ContactId", "Role", "IsPrimary"),
    CONTACT: ("Name", "Title", "Email"),
}
"""What must be seen for contact roles to be read."""

TEAMS = frozenset({Kind.MEMBER})
"""A place on a team can be asked for twice and is there once."""


class SalesforceCRM:
    """One org. Implements `connector.crm.port.CRM`; used by one thread at a time."""

    def __init__(
        self,
        *,
        system: SystemName,
        map: CrmMap,
        session: SalesforceSession,
        lookback: timedelta = feeds.LOOKBACK,
        page_size: int = PAGE,
        bulk_reads: bool = True,
        live: LiveOptions | None = None,
        bulk_threshold: int = bulk.THRESHOLD,
    ) -> None:
        self._system = system
        self._session = session
        self._names = Names(map)
        self._lookback = lookback
        self._page_size = page_size
        self._bulk_reads = bulk_reads
        self._live = live
        self._bulk = bulk.offered(bulk_threshold)
        session.bundle = bulk_reads
        self._stages: dict[str, Stage] = {}
        self._schemas: dict[Kind, ObjectSchema] = {}
        self._rates_read: datetime | None = None
        self._reader = DealReader(session, self._names, stage_of=self._stage)
        self._writer = Writer(session, self._names)
        self._bell = Bell(session, notification=map.bell)
        self._absences: Mapping[str, str] = map.people

    @property
    def system(self) -> SystemName:
        """The name from config.toml."""
        return self._system

    @property
    def capabilities(self) -> Capabilities:
        """200 rows per call for all; whether tasks and meetings are made once by their key was probed."""
        return Capabilities(
            max_batch=dict.fromkeys(OPERATIONS, BATCH),
            native_upsert=KEYED | TEAMS | {Kind.EMAIL} if self._names.key_mode is not KeyMode.MARKER else TEAMS,
            change_lag=self._lookback.total_seconds(),
            bulk=self._bulk,
        )

    @property
    def jobs(self) -> Jobs:
        """Bulk API 2.0; also where no lane goes by job any more, for jobs that are still under way."""
        return bulk.BulkJobs(self._session, self._names)

    @property
    def session(self) -> SalesforceSession:
        """The line to the org, for what stands beside the port (installing, the live feed)."""
        return self._session

    @property
    def org_id(self) -> str:
        """The org's 18-character id, as the token told."""
        return self._session.identity.org_id

    @property
    def home(self) -> str:
        """The org's id."""
        return self.org_id

    @property
    def daily_calls(self) -> DailyCalls | None:
        """The org's calls of the last 24 hours, as ``Sforce-Limit-Info`` told (facts: Salesforce §3.3)."""
        used, allowed = self._session.usage
        return DailyCalls(used, allowed) if allowed else None

    def connect(self) -> tuple[Problem, ...]:
        """Log in, compare the map with the org, and probe retrieval by id. Raises `CrmError`."""
        self._session.identity  # noqa: B018  # logs in
        problems = self.relearn()
        if self._bulk_reads:
            self._reader.probe()
        return (*problems, *self._live_problems())

    def relearn(self) -> tuple[Problem, ...]:
        """Describe what is mapped, and find out how tasks carry their keys and whose absence is told."""
        problems: list[Problem] = []
        self._schemas.clear()  # an admin may have added fields since the last connection
        watched = (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, *((Kind.MEETING,) if self._meeting_keyed else ()))
        for kind in watched:
            also = ALSO.get(kind, ())
            problems += self._names.learn(self.describe(kind), also=also)
        if self._names.field(Kind.TASK, "key") is None:
            # A field of Activity is one of tasks and events alike: it is said once (facts: Salesforce §3.4).
            problems = [each for each in problems if each.key != path_of(Kind.MEETING, "key")]
        problems += self._probe_keys()
        problems += self._learn_absences()
        problems += self._learn_contacts()
        self._learn_money()
        return tuple(problems)

    @property
    def _meeting_keyed(self) -> bool:
        """Whether the map gives meetings a key: then events are read for it, which an org may not have or not show."""
        return self._names.crm_map.get(Kind.MEETING, "key") is not None

    def _learn_absences(self) -> tuple[Problem, ...]:
        """Which of the users' fields that tell of absences the org shows; the others are left out of reads and told."""
        wanted = self._names.crm_map.people
        if not wanted:
            return ()
        seen = lookups.describe_object(self._session, "User")
        self._absences = {name: field for name, field in wanted.items() if seen and field in seen.fields}
        return tuple(
            Problem(
                where="the CRM",
                key=f"people.{name}",
                message=f"User has no field {field}, or this login may not see it; nobody is away because of it. "
                "Create the field, or give the connector's permission set access to it",
            )
            for name, field in wanted.items()
            if name not in self._absences
        )

    def _learn_contacts(self) -> tuple[Problem, ...]:
        """Whether contact roles can be read, where the map asks for them. Until that is known it stays as it was: what
        is decided meanwhile must not find that nobody has a role."""
        if self._names.crm_map.contacts is None:
            return ()
        for name, needed in CONTACTS_NEED.items():
            seen = lookups.describe_object(self._session, name)
            hidden = [field for field in needed if seen is None or field not in seen.fields]
            if hidden:
                self._reader.contacts = False
                what = f"{name} is hidden from this login" if seen is None else f"{name} shows no {', '.join(hidden)}"
                message = f"{what}; contact roles are not read. Give its permission set Read on {name} and these fields"
                return (Problem(where="the CRM", key="contacts", message=message),)
        self._reader.contacts = True
        return ()

    def _learn_money(self) -> None:
        """In an org with several currencies, learn their rates and which of the mapped fields are money."""
        fields = self.describe(Kind.DEAL).fields
        if CODE not in fields:
            return
        self._read_rates()
        self._reader.money = frozenset(
            mapped.name
            for mapped in self._names.mapped(Kind.DEAL)
            if mapped.owner is FieldOwner.HUMAN and (known := fields.get(mapped.field)) and known.type == CURRENCY
        )

    def _read_rates(self) -> None:
        self._reader.rates = read_rates(self._session)
        self._rates_read = self._session.server_time()

    def _probe_keys(self) -> tuple[Problem, ...]:
        """Find out how tasks can carry their key here; the ledger object is asked for only where it would be needed."""
        mapped = self._names.field(Kind.TASK, "key")
        key = self.describe(Kind.TASK).fields.get(mapped.field) if mapped else None
        mode = mode_of(key, None)
        if mode is not KeyMode.UPSERT:
            mode = mode_of(key, lookups.describe_object(self._session, LEDGER_OBJECT))
        self._names.key_mode = mode
        path = mapped.path if mapped else "task.key"
        return said(mode, path)

    def server_time(self) -> datetime:
        """The org's clock as of its last answer."""
        return self._session.server_time()

    def feeds(self) -> tuple[str, ...]:
        """Opportunities, closed tasks and events."""
        return tuple(feeds.FEEDS)

    def start_cursor(self, feed: str, at: datetime) -> str:
        """The cursor that begins a feed at a time."""
        del feed
        return feeds.start(at)

    def poll(self, cursors: Mapping[str, str]) -> Mapping[str, ChangePage | Fault]:
        """All pages in one call where the org lets queries share one."""
        return feeds.read_pages(self._session, self._names, cursors, lookback=self._lookback, page_size=self._page_size)

    def changes(self, feed: str, cursor: str) -> ChangePage:
        """One page in one call."""
        page = self.poll({feed: cursor})[feed]
        if isinstance(page, Fault):
            raise CrmError(page)
        return page

    def live(self) -> LiveFeed | None:
        """The event bus; None where it is switched off or its libraries are missing."""
        if self._live is None or not pubsub.installed():
            return None
        return SalesforceLive(self._session, self._names, self._live)

    def _live_problems(self) -> tuple[Problem, ...]:
        """What keeps from listening where that was asked for, as far as this machine knows.

        The bus is not asked here: a pass must not wait for one out of reach, and the listener tells how lines stand.
        """
        if self._live is None or not self._live.required or pubsub.installed():
            return ()
        message = f"the libraries for change events are missing: {pubsub.INSTALL}. Changes are polled"
        return (Problem(where="the CRM", key="change_events", message=message),)

    def _hearing(self) -> Examination:
        """How changes will be heard of, for whoever checks; what cannot be had is a problem where it was asked for."""
        feed = self.live()
        if self._live is None:
            off = "changes are polled: change_events is off, or pubsub_address is missing for an org on this machine"
            return Examination(notes=(off,))
        if feed is None:
            return Examination(notes=(f"changes are polled: the libraries to listen are missing, {pubsub.INSTALL}",))
        lines = feed.probe()
        heard = f"listens to {', '.join(line.name for line in lines if line.live) or 'nothing'}"
        unheard = [line for line in lines if not line.live]
        if not self._live.required:
            return Examination(notes=(heard, *(f"{line.name} is polled: {line.why}" for line in unheard)))
        problems = tuple(
            Problem(where="the CRM", key="change_events", message=f"{line.name}: {line.why}. It is polled instead")
            for line in unheard
        )
        return Examination(problems, (heard,))

    def fetch(self, deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        """Deals as they stand now; missing ids are gone."""
        if self._rates_read is not None and self._session.server_time() - self._rates_read >= RATES_LAST:
            self._read_rates()
        return self._reader.fetch(deal_ids, bare=bare)

    def people(self) -> tuple[Person, ...]:
        """Every person with a login."""
        return lookups.people(self._session, self._absences)

    def account_counts(self) -> Mapping[str, int]:
        """Accounts per CSM."""
        return lookups.account_counts(self._session, self._names)

    def busy(self, people: Sequence[str], *, start: datetime, end: datetime) -> Mapping[str, tuple[Span, ...]]:
        """The events that these people own, invitations they were copied included."""
        return diaries.busy(self._session, self._names, people, start=start, end=end)

    def stages(self) -> tuple[Stage, ...]:
        """Every stage, read anew."""
        found = lookups.stages(self._session)
        self._stages = {stage.id: stage for stage in found}
        return found

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """Send one batch; one outcome per row."""
        return self._writer.apply(as_tasks(writes))

    def tell(self, notice: Notify) -> None:
        """Notify a user inside Salesforce."""
        self._bell.tell(notice)

    def find(self, kind: Kind, keys: Mapping[str, str]) -> Mapping[str, str]:
        """Which keys exist."""
        return lookups.find(self._session, self._names, kept_as(kind), keys)

    def scan_won(self, since: date | None) -> Iterator[tuple[str, ...]]:
        """Pages of ids of won deals."""
        return lookups.scan_won(self._session, self._names, since)

    def scan_changed(self, since: datetime) -> Iterator[tuple[Change, ...]]:
        """Every changed opportunity's id and stamp, in the order of ids."""
        return lookups.scan_changed(self._session, self._names, since)

    def rounds(self) -> Rounds | None:
        """None: nothing shows late here that the feeds and the nightly list do not find."""
        return None

    def earliest_start(self) -> datetime | None:
        """The first start this connector left."""
        return lookups.earliest_start(self._session, self._names)

    def describe(self, kind: Kind) -> ObjectSchema:
        """An object's fields; asked once per connection."""
        if kind not in self._schemas:
            self._schemas[kind] = lookups.describe(self._session, self._names, kind)
        return self._schemas[kind]

    def raw(self, kind: Kind, record_id: str, fields: Sequence[str]) -> Mapping[str, str]:
        """The columns as texts; what is hidden must not be asked for, a query with it fails as a whole."""
        return lookups.raw(self._session, self._names, kind, record_id, fields)

    def examine(self) -> Examination:
        """Rights on objects, the gate's bypass, limits left, what can be listened to."""
        found = examine(self._session, self._names)
        hearing = self._hearing()
        return Examination((*found.problems, *hearing.problems), (*found.notes, *hearing.notes))

    def visit(self) -> Mapping[Kind, ObjectSchema]:
        """Log in and learn what this login sees; a login, four descriptions and one probe."""
        self._session.identity  # noqa: B018  # logs in
        self._schemas.clear()
        for kind in (Kind.DEAL, Kind.ACCOUNT, Kind.TASK, Kind.MEETING):
            self._names.learn(self.describe(kind), also=ALSO.get(kind, ()))
        self._learn_money()
        if self._bulk_reads:
            self._reader.probe()
        return {kind: self.describe(kind) for kind in (Kind.DEAL, Kind.ACCOUNT)}

    def last_won(self, count: int, *, since: date | None = None) -> tuple[str, ...]:
        """One query."""
        return lookups.last_won(self._session, self._names, count, since)

    def texts(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """One retrieve for two thousand records, or queries of as many fields as an address holds."""
        return self._reader.texts(kind, ids, fields)

    def _stage(self, name: str) -> Stage | None:
        if not self._stages:
            self.stages()
        return self._stages.get(name)


def connect_salesforce(
    *,
    system: SystemName,
    map: CrmMap,
    login: SalesforceLogin,
    on_call: OnCall = lambda label: None,  # noqa: ARG005
    clock: Clock | None = None,
    sleep: Callable[[float], None] = time.sleep,
    timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    lookback: timedelta = feeds.LOOKBACK,
    page_size: int = PAGE,
    bulk_reads: bool = True,
    allow_duplicates: bool = False,
    live: LiveOptions | None = None,
    bulk_threshold: int = bulk.THRESHOLD,
    company: Company | None = None,
) -> SalesforceCRM:
    """The adapter for one org; no request is made before `connect`. Raises `CrmError` for a plain-http address.

    ``on_call`` is told the kind of every HTTP request; ``timeouts`` are seconds to connect and to wait for bytes.
    ``bulk_reads`` False keeps to plain queries where Composite and Collections retrieve would need fewer calls.
    ``allow_duplicates`` True saves although a duplicate rule warns. ``live`` says how to listen; None polls alone.
    ``company`` counts the processes that share the org's room for calls.
    """
    clock = clock or SystemClock()
    session = SalesforceSession(
        login,
        on_call=on_call,
        clock=clock,
        retry=ReadRetry(clock=clock, sleep=sleep),
        timeouts=timeouts,
        allow_duplicates=allow_duplicates,
        company=company,
    )
    return SalesforceCRM(
        system=system,
        map=map,
        session=session,
        lookback=lookback,
        page_size=page_size,
        bulk_reads=bulk_reads,
        live=live,
        bulk_threshold=bulk_threshold,
    )
