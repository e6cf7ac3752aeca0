"""HubSpot as a `connector.crm.port.CRM`: puts the parts of this package behind the port's few methods.

Not here: paths and JSON (``session``, ``wire``), searching (``search``), batches (``reads``, ``writes``). No custom
property is named in this package; all of them come from the mapping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time

from connector.crm.budget import Company, Meter, Treasury
from connector.crm.hubspot import diaries, scopes, search, wire
from connector.crm.hubspot.examine import examine
from connector.crm.hubspot.fields import PIPELINE, STAGE, Fields
from connector.crm.hubspot.live.meaning import Meaning
from connector.crm.hubspot.live.ways import Ground, LiveOptions, Ways
from connector.crm.hubspot.login import App, Desk, portal_login
from connector.crm.hubspot.paths import API_VERSION, Paths
from connector.crm.hubspot.persons import person_problems
from connector.crm.hubspot.portal import Portal
from connector.crm.hubspot.reads import Reader
from connector.crm.hubspot.rounds import Rounds
from connector.crm.hubspot.search import Query, where
from connector.crm.hubspot.session import (
    BASE_URL,
    CONNECT_SECONDS,
    READ_SECONDS,
    REAL_WAITS,
    Session,
    Waits,
)
from connector.crm.hubspot.watched import Watched, in_pipelines, is_ours
from connector.crm.hubspot.writes import KEYED, OPTIONAL, Told, Writer
from connector.crm.live import (
    Letterbox,
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
    poll_one_by_one,
)
from connector.crm.writing import (
    Jobs,
    Operation,
    Write,
    WriteOutcome,
)
from connector.errors import CrmError, Fault, FaultCode, Problem
from connector.handoff.model import Kind, Person, Span, Stage, SystemName
from connector.handoff.plan import Notify
from connector.policy.crmmap import CrmMap

LOOKBACK_SECONDS = 600.0
"""How far each poll looks back behind the newest change told, for search shows changes late (facts: HubSpot §1)."""

CHANGE_LAG_SECONDS = 30.0
"""How long a change usually hides from search: "a few moments" by the docs; the lookback covers far more."""

MADE_PER_CALL = 1000
"""Rows of a task or note upsert handed over at once: ten vendor batches, whose links then share two calls."""

UPDATED_PER_CALL = 100
CLOSED_WON, CLOSE_DATE, CLOSED_WON_DATE = "hs_is_closed_won", "closedate", "hs_closed_won_date"


class HubSpotCRM:
    """One HubSpot portal. ``token`` is a service key, or a token of a private or project app; without one ``app`` logs
    in by OAuth. ``on_call`` hears a label per call sent, ``meter`` how the portal's budgets stand;
    with the ``company`` of other processes they are shared in the ``treasury``. Changes are
    listened to unless ``listens`` is off: in ``letterbox`` where the app delivers to ``webhook_url``, else in the app's
    journal; ``live_required`` makes it a problem that they cannot be."""

    def __init__(
        self,
        *,
        system: SystemName,
        map: CrmMap,
        token: str = "",
        app: App | None = None,
        base_url: str = BASE_URL,
        api_version: str = API_VERSION,
        on_call: Callable[[str], None] | None = None,
        meter: Meter | None = None,
        company: Company | None = None,
        treasury: Treasury | None = None,
        listens: bool = True,
        live_required: bool = False,
        letterbox: Letterbox | None = None,
        webhook_url: str = "",
        lookback: float = LOOKBACK_SECONDS,
        page_size: int = search.PAGE,
        timeout: tuple[float, float] = (CONNECT_SECONDS, READ_SECONDS),
        waits: Waits = REAL_WAITS,
    ) -> None:
        self._system = system
        self._map = map
        self._fields = Fields(map)
        self._page_size = page_size
        paths = Paths(api_version)
        desk = Desk(base_url, paths, waits.clock, waits.monotonic, timeout, on_call or (lambda _: None))
        self._session = Session(
            login=portal_login(desk, token=token, app=app),
            base_url=base_url,
            paths=paths,
            on_call=on_call,
            meter=meter,
            company=company,
            treasury=treasury,
            waits=waits,
            timeout=timeout,
        )
        self._portal = Portal(self._session, self._fields)
        self._reader = Reader(self._session, self._fields)
        told = Told(now=self.server_time, pipeline=self._portal.pipeline_of)
        self._writer = Writer(self._session, self._fields, self._reader, told=told)
        self._watched = Watched(
            self._session,
            self._fields,
            system=system,
            heirs=self._reader.heirs,
            lookback=int(lookback * 1000),
            page_size=page_size,
        )
        self._rounds = Rounds(self._session, self._watched, map=map)
        ground = Ground(
            session=self._session,
            home=lambda: self._portal.id,
            app=app,
            meaning=lambda: Meaning(self._fields, map, system),
            desk=desk,
            waits=waits,
        )
        self._ways = Ways(ground, LiveOptions(live_required, webhook_url, letterbox) if listens else None)

    @property
    def system(self) -> SystemName:
        """The name from config.toml."""
        return self._system

    @property
    def portal_id(self) -> str:
        """The portal this login belongs to, pinned at the first `connect`; empty before it."""
        return self._portal.id

    @property
    def home(self) -> str:
        """The portal's id."""
        return self._portal.id

    @property
    def daily_calls(self) -> DailyCalls | None:
        """The day's calls of all apps in the portal; None for an app that is not told (OAuth)."""
        return self._session.daily

    @property
    def jobs(self) -> Jobs | None:
        """There is no such thing here."""
        return None

    @property
    def capabilities(self) -> Capabilities:
        """Rows per `apply`; which kinds the portal keeps unique by key."""
        made = {(kind, Operation.UPSERT): MADE_PER_CALL for kind in KEYED}
        updated = {(kind, Operation.UPDATE): UPDATED_PER_CALL for kind in (Kind.DEAL, Kind.ACCOUNT)}
        return Capabilities(
            max_batch={**made, **updated}, native_upsert=self._writer.native, change_lag=CHANGE_LAG_SECONDS
        )

    def connect(self) -> tuple[Problem, ...]:
        """Log in, pin the portal, read its pipelines and properties, probe whether our keys are kept unique.

        Raises `UserError` when the login belongs to another portal than before or a key has no property to stand in.
        A token that lacks scopes is told all of them at once.
        """
        with scopes.all_named(self._session):
            return self._connect()

    def _connect(self) -> tuple[Problem, ...]:
        self._portal.pin()
        return (*self.relearn(), *self._ways.problems())

    def relearn(self) -> tuple[Problem, ...]:
        """Read pipelines and properties, and whether our keys are kept unique."""
        self._portal.refresh_stages()
        self._portal.forget_properties()
        problems: list[Problem] = []
        for kind in (Kind.DEAL, Kind.ACCOUNT):
            problems += self._fields.learn(kind, self._portal.known(kind).fields)
        for kind in sorted(OPTIONAL):
            if self._map.get(kind, "key"):
                problems += self._fields.learn(kind, self._portal.known(kind).fields)
        native = set()
        for kind in KEYED:
            if kind in OPTIONAL and not self._fields.key(kind):
                continue
            problem = self._portal.key_problem(kind)
            if problem is not None:
                problems.append(problem)
            if self._portal.keeps_unique(kind):
                native.add(kind)
        self._writer.native = frozenset(native)
        return tuple(problems)

    def server_time(self) -> datetime:
        """The portal's clock as of its last answer; asks for the account when there was none yet."""
        if self._session.server_time is None:
            self._portal.pin()
        if self._session.server_time is None:
            raise ValueError("HubSpot's answer carries no Date")
        return self._session.server_time

    def feeds(self) -> tuple[str, ...]:
        """Deals, completed tasks, meetings, calls, emails: one search each on an idle tick."""
        return tuple(self._watched.feeds)

    def start_cursor(self, feed: str, at: datetime) -> str:
        """The cursor that begins a feed at a time; nothing older is ever asked for."""
        return self._watched.start(feed, at)

    def poll(self, cursors: Mapping[str, str]) -> Mapping[str, ChangePage | Fault]:
        """One call per feed, and now and then one that tells how many calls the day has left."""
        self._portal.recount()
        return poll_one_by_one(self, cursors)

    def changes(self, feed: str, cursor: str) -> ChangePage:
        """One call, and one more for the deals of activities that are news and not ours."""
        return self._watched.changes(feed, cursor, now=self.server_time())

    def live(self) -> LiveFeed | None:
        """The app's webhooks or its journal; None where changes are polled alone."""
        return self._ways.feed()

    def fetch(self, deal_ids: Sequence[str], *, bare: bool = False) -> Mapping[str, DealFacts]:
        """Re-read deals and all that hangs on them. Cheapest in portions of 1,000."""
        del bare  # what hangs on a deal tells here which company is its account
        if not deal_ids:
            return {}
        return self._reader.deals(deal_ids, pipelines=self._portal.pipelines(), now=self.server_time())

    def people(self) -> tuple[Person, ...]:
        """All owners by owner id (never user id); archived ones are inactive."""
        with scopes.all_named(self._session):
            return self._portal.people()

    def account_counts(self) -> Mapping[str, int]:
        """How many companies each person is CSM of.

        The first search tells how many companies have a CSM at all. Reading them takes a page per 200; asking for each
        person's total takes a call per active person. Whichever is fewer is done, and the first page counts.
        """
        mapped = self._map.get(Kind.ACCOUNT, "csm")
        if mapped is None:
            return {}
        query = Query(
            object_name=self._fields.object(Kind.ACCOUNT),
            groups=((where(mapped.field, "HAS_PROPERTY"),),),
            properties=(mapped.field,),
            sort=search.ID,
        )
        counts: dict[str, int] = {}
        for number, page in enumerate(search.everything(self._session, query)):
            if number == 0 and page.after is not None:
                people = [person for person in self.people() if person.active]
                if page.total > len(people) * search.PAGE:
                    return self._totals(query, mapped.field, people)
            for row in page.rows:
                counts[row.get(mapped.field)] = counts.get(row.get(mapped.field), 0) + 1
        return counts

    def busy(self, people: Sequence[str], *, start: datetime, end: datetime) -> Mapping[str, tuple[Span, ...]]:
        """The meetings that these owners have in the CRM: a search for each two hundred of them."""
        return diaries.busy(self._session, people, start=start, end=end)

    def stages(self) -> tuple[Stage, ...]:
        """All stages of all deal pipelines; won is probability 1.0 and closed, whatever its id or label."""
        return self._portal.refresh_stages()

    def apply(self, writes: Sequence[Write]) -> tuple[WriteOutcome, ...]:
        """Send one batch; rows are judged by what the answer says of each."""
        return self._writer.apply(writes) if writes else ()

    def tell(self, notice: Notify) -> None:
        """The mapping refuses such ways for this vendor, so this is never asked."""
        words = f"HubSpot has no {notice.way} that the connector could ring"
        raise CrmError(Fault(FaultCode.NOT_PERMITTED, "NO_SUCH_WAY", words))

    def find(self, kind: Kind, keys: Mapping[str, str]) -> Mapping[str, str]:
        """Tasks or notes by key, each hanging on its deal: links that a lost call left open are made here."""
        return self._writer.find(kind, keys)

    def scan_won(self, since: date | None) -> Iterator[tuple[str, ...]]:
        """Ids of won deals, in pages; by the close date or the day of the win when ``since`` is given."""
        won = (where(CLOSED_WON, "EQ", "true"), *in_pipelines(self._map))
        groups: tuple[tuple[search.Filter, ...], ...] = (won,)
        if since is not None:
            start = str(wire.millis(datetime.combine(since, time(), tzinfo=UTC)))
            named = [name for name in (CLOSE_DATE, CLOSED_WON_DATE) if name in self._portal.properties(Kind.DEAL)]
            groups = tuple((*won, where(name, "GTE", start)) for name in named or [CLOSE_DATE])
        query = Query("deals", groups, (STAGE, PIPELINE), sort=search.ID, limit=self._page_size)
        for page in search.everything(self._session, query):
            ours = (row for row in page.rows if is_ours(self._map, row))
            ids = tuple(row.id for row in ours if self._portal.is_won(row.get(STAGE)))
            if ids:
                yield ids

    def scan_changed(self, since: datetime) -> Iterator[tuple[Change, ...]]:
        """Nothing: the census lists every deal, and takes its time (`rounds`)."""
        del since
        return iter(())

    def rounds(self) -> Rounds:
        """A second look every hour, and a census every day."""
        return self._rounds

    def earliest_start(self) -> datetime | None:
        """The earliest start this connector left on any deal: one search for one record."""
        mapped = self._map.get(Kind.DEAL, "started_at")
        if mapped is None:
            return None
        query = Query(
            object_name="deals",
            groups=((where(mapped.field, "HAS_PROPERTY"),),),
            properties=(mapped.field,),
            sort=mapped.field,
            limit=1,
        )
        rows = search.page(self._session, query).rows
        return rows[0].at(mapped.field) if rows else None

    def describe(self, kind: Kind) -> ObjectSchema:
        """The properties of an object type; read once for each connection or `relearn`, where that needs them."""
        return self._portal.known(kind)

    def raw(self, kind: Kind, record_id: str, fields: Sequence[str]) -> Mapping[str, str]:
        """The properties as texts; a property that is empty is not in the answer."""
        row = self._reader.rows(self._fields.object(kind), [record_id], tuple(fields)).get(record_id)
        return {name: row.get(name) for name in fields if row.get(name)} if row is not None else {}

    def examine(self) -> Examination:
        """Scopes, edition, what is left of limits, how long the API version lasts, how changes are heard."""
        told = examine(
            self._session,
            self._portal,
            lines=self._ways.probe(),
            wanted=self._ways.required,
            today=self.server_time().date(),
        )
        if any(problem.key == scopes.OWNERS for problem in told.problems):
            return told
        strangers = person_problems(self._session, self._fields, self.people())
        return replace(told, problems=(*told.problems, *strangers))

    def visit(self) -> Mapping[Kind, ObjectSchema]:
        """Log in and learn what the portal shows: four calls, and no key is asked for."""
        with scopes.all_named(self._session):
            self._portal.pin()
            self._portal.refresh_stages()
            schemas = {kind: self._portal.describe(kind) for kind in (Kind.DEAL, Kind.ACCOUNT)}
        for kind, schema in schemas.items():
            self._fields.learn(kind, schema.fields)
        return schemas

    def last_won(self, count: int, *, since: date | None = None) -> tuple[str, ...]:
        """One search for each 200."""
        won = (where(CLOSED_WON, "EQ", "true"), *in_pipelines(self._map))
        if since is not None:
            won = (*won, where(CLOSE_DATE, "GTE", str(wire.millis(datetime.combine(since, time(), tzinfo=UTC)))))
        query = Query("deals", (won,), (STAGE, PIPELINE), sort=CLOSE_DATE, descending=True)
        found: list[str] = []
        while len(found) < count:
            page = search.page(self._session, replace(query, limit=min(count - len(found), search.PAGE)))
            found += (row.id for row in page.rows if self._portal.is_won(row.get(STAGE)) and row.id not in found)
            if page.after is None or page.after == query.after:
                break
            query = replace(query, after=page.after)
        return tuple(found[:count])

    def texts(self, kind: Kind, ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """One batch read for each hundred records."""
        rows = self._reader.rows(self._fields.object(kind), ids, fields)
        return {each: {name: text for name in fields if (text := row.get(name))} for each, row in rows.items()}

    def _totals(self, query: Query, name: str, people: Sequence[Person]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for person in people:
            one = Query(
                object_name=query.object_name,
                groups=((where(name, "EQ", person.id),),),
                properties=(),
                sort=search.ID,
                limit=1,
            )
            total = search.page(self._session, one).total
            if total:
                counts[person.id] = total
        return counts
