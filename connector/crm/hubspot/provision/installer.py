"""A HubSpot portal behind the port of ``handoff provision``: opened with a login, looked at, written to, read again.

Not here: any part's own work (the modules beside this one) and what is printed (``cli``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from connector.crm.hubspot.login import App, Desk, StaticToken, portal_login
from connector.crm.hubspot.paths import Paths
from connector.crm.hubspot.provision.apply import Applied, carry_out, words
from connector.crm.hubspot.provision.clicks import clicks, undoing
from connector.crm.hubspot.provision.compare import compare, made_by
from connector.crm.hubspot.provision.conflicts import dangers, read_rivals
from connector.crm.hubspot.provision.definition import Definition
from connector.crm.hubspot.provision.desired import Desired, desired
from connector.crm.hubspot.provision.export import commands, files
from connector.crm.hubspot.provision.items import Item, ProvisionPlan
from connector.crm.hubspot.provision.portal import (
    Account,
    Pipeline,
    PortalState,
    lacking,
    read_account,
    read_pipelines,
    read_portal,
)
from connector.crm.hubspot.provision.remove import holdings, ours, removal
from connector.crm.hubspot.provision.room import no_room
from connector.crm.hubspot.provision.rules import compare_rules, read_rules
from connector.crm.hubspot.session import BASE_URL, CONNECT_SECONDS, READ_SECONDS, REAL_WAITS, Session, Waits
from connector.crm.installer import Choices, Ending, Exported, Mark, Plan, Progress, Site, Survey, write_export
from connector.errors import Advice, CrmError, FaultCode, Problem, UserError
from connector.handoff.model import SystemName
from connector.handoff.rulebook.policy import Policy
from connector.policy.check import judge_stages
from connector.policy.crmmap import CrmMap

LOOKS = 4
SETTLES = 0.5
"""How often a portal is read that does not show yet what was written, and the seconds between: it took 250 to 700 ms
where it was watched (facts: HubSpot §5)."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The last look: what it planned and what it planned from."""

    desired: Desired
    portal: PortalState
    plan: ProvisionPlan


@dataclass(slots=True)
class HubSpotInstaller:
    """One portal. ``session`` is the admin's where there is one, else the daemon's own."""

    name: SystemName
    crm_map: CrmMap
    policy: Policy
    session: Session
    account: Account
    base_url: str = BASE_URL
    login_problem: str = ""
    sleep: Callable[[float], None] = time.sleep
    vendor: str = "HubSpot"
    knows: frozenset[str] = frozenset({"pipeline_rules"})
    _found: _Found | None = field(default=None, init=False)
    _wrote: bool = field(default=False, init=False)

    def look(self, choices: Choices) -> Survey:
        """Read the portal and plan; writes nothing. After an apply it waits a moment for what was written to show."""
        if choices.rivals:
            found_here = read_rivals(self.session, self._watched(read_pipelines(self.session)))
            told = dangers(found_here, self.crm_map, self.policy)
            return Survey(site=site(self.account), plan=Plan(()), dangers=told, unread=found_here.unread)
        for left in range(LOOKS - 1 if self._wrote else 0, -1, -1):
            found = self._look(choices)
            if found.plan.is_empty or not left:
                break
            self.sleep(SETTLES)
        self._found = found
        return self._survey(found, choices)

    def carry_out(self, *, told: Callable[[Progress], None]) -> Ending:
        """Write what the last look planned."""
        self._wrote = True
        try:
            applied = carry_out(self.session, self._last.plan, told=told, sleep=self.sleep)
        except KeyboardInterrupt as error:
            left = f"what was written so far stays; what is left to do: handoff provision {self.name}"
            raise UserError([Problem("", "interrupted", left)]) from error
        told_words = tuple(words(applied, system=self.name))
        return Ending(_mark(applied), told_words, _data(applied), done=applied.done, doubted=applied.doubted)

    def export(self, folder: Path) -> Exported:
        """Write the bodies of the calls that install it, and the clicks."""
        found = self._last
        definitions = _exported(found)
        written = write_export(files(definitions, found.plan.items), folder)
        how = tuple(commands(definitions, folder, base_url=self.base_url, paths=self.session.paths))
        return Exported(written, how, ("Read them, then send them with an admin's token:",))

    def _look(self, choices: Choices) -> _Found:
        wanted = desired(self.crm_map, self.policy)
        portal = read_portal(self.session, self.account, wanted.objects)
        items: Iterable[Item]
        if choices.remove:
            # Counting takes a search or more for five properties, and portals allow five searches a second.
            held = holdings(self.session, ours(portal)) if choices.with_fields else {}
            going = removal(
                wanted, portal, held, with_fields=choices.with_fields, even_with_data=choices.even_with_data
            )
            items = (*going, undoing()) if ours(portal) else going
        else:
            items = (*compare(wanted, portal), *clicks(self.crm_map, self.policy, wanted, portal))
        if choices.pipeline_rules:
            rules = read_rules(self.session, self._watched(portal.pipelines))
            items = (*items, *compare_rules(rules, remove=choices.remove))
        return _Found(wanted, portal, ProvisionPlan(tuple(items)))

    def _survey(self, found: _Found, choices: Choices) -> Survey:
        plan, portal = found.plan, found.portal
        problems = found.desired.problems
        if not choices.remove:
            problems += tuple(judge_stages(self.policy, self.crm_map, portal.stages))
            problems += no_room(found.desired, portal, made_by(plan.items))
        touched = dict.fromkeys(item.name.partition(".")[0] for item in plan.items if item.act is not None)
        objects = [name for name in found.desired.objects if name in touched]
        return Survey(
            site=site(self.account),
            plan=plan,
            problems=problems,
            unread=portal.unread,
            lacking=lacking(self.session, objects),
            data={
                "portal": self.account.id,
                "account_type": self.account.type,
                "room": {"limit": portal.room.limit, "used": portal.room.used} if portal.room else None,
            },
        )

    def _watched(self, pipelines: Iterable[Pipeline]) -> tuple[Pipeline, ...]:
        return tuple(one for one in pipelines if not self.crm_map.pipelines or one.id in self.crm_map.pipelines)

    @property
    def _last(self) -> _Found:
        if self._found is None:
            raise ValueError("look at the portal before anything else")
        return self._found


def open_portal(
    *,
    name: SystemName,
    crm_map: CrmMap,
    policy: Policy,
    own: str,
    app: App | None,
    admin: str = "",
    base_url: str = BASE_URL,
    api_version: str = "",
    waits: Waits = REAL_WAITS,
    on_call: Callable[[str], None] = lambda label: None,  # noqa: ARG005
) -> HubSpotInstaller:
    """The portal that the daemon works in, by its own login (``own``, or ``app`` by OAuth) or an ``admin``'s token.

    Raises `CrmError` for a login that does not work, `UserError` for an admin's token of another portal.
    """
    paths = Paths(api_version) if api_version else Paths()
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    desk = Desk(base_url, paths, waits.clock, waits.monotonic, timeout, on_call)
    daemons = Session(
        login=portal_login(desk, token=own, app=app), base_url=base_url, paths=paths, waits=waits, on_call=on_call
    )
    problem, mine = "", None
    try:
        mine = read_account(daemons)
    except CrmError as error:
        if not admin:
            raise
        problem = f"The daemon's own login does not work yet: {error.fault.message} ({error.fault.vendor_code})"
    if mine is not None and not admin:
        session, account = daemons, mine
    else:
        session = Session(login=StaticToken(admin), base_url=base_url, paths=paths, waits=waits, on_call=on_call)
        account = _admins_account(session, name)
        if mine is not None and account.id != mine.id:
            words = f"is of portal {account.id}, and the daemon works in portal {mine.id}; use a token of {mine.id}"
            raise UserError([Problem(name, "--token-env", words)])
    return HubSpotInstaller(
        name=name,
        crm_map=crm_map,
        policy=policy,
        session=session,
        account=account,
        base_url=base_url,
        login_problem=problem,
        sleep=waits.wait,
    )


def _admins_account(session: Session, name: SystemName) -> Account:
    """The portal of an admin's token; one that does not work is not the daemon's login, so it says which."""
    try:
        return read_account(session)
    except CrmError as error:
        if error.fault.code is not FaultCode.AUTH_REVOKED:
            raise
        words = f"the token does not work ({error.fault.message}): copy it anew from HubSpot's Development settings"
        raise UserError([Problem(name, "--token-env", words)]) from error


def site(account: Account) -> Site:
    """Which portal this is."""
    ids = (account.id,) if account.id else ()
    return Site("portal", account.kind, guarded=account.is_standard and bool(ids), ids=ids, name="portal")


def _exported(found: _Found) -> tuple[Definition, ...]:
    """All that is ours or is to be: what is there with the choices an admin added."""
    made = {one.key: one for one in made_by(found.plan.items)}
    whole: list[Definition] = []
    for one in found.desired.wanted:
        definition = one.definition
        there = found.portal.get(definition.object, definition.name)
        if definition.key in made:
            whole.append(made[definition.key])
        elif there is not None and there.bears_our_mark and not there.shipped:
            whole.append(replace(definition, label=there.label, options=there.options or definition.options))
    return tuple(whole)


def _mark(applied: Applied) -> Mark:
    if applied.stopped is not None:
        fault = applied.stopped.fault
        gone = fault.advice in (Advice.VERIFY, Advice.RETRY) or fault.code is FaultCode.AUTH_REVOKED
        return Mark.UNKNOWN if gone else Mark.REFUSED
    return Mark.DONE if applied.ok else Mark.REFUSED


def _data(applied: Applied) -> dict[str, object]:
    return {
        "done": [one.name for one in applied.done],
        "refused": [{"name": one.item.name, "words": one.words} for one in applied.failures],
        "doubted": [one.name for one in applied.doubted],
        "untried": [one.name for one in applied.undone],
    }
