"""A Salesforce org behind the port of ``handoff provision``: choices become options, ends become words.

Not here: what is looked at and done (``install``) and what is printed (``cli``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.crm.installer import WRITES, Choices, Do, Ending, Exported, Line, Mark, Plan, Progress, Site, Survey
from connector.crm.salesforce.provision import apply
from connector.crm.salesforce.provision.apply import Failure, LeftRunning, Outcome
from connector.crm.salesforce.provision.install import Applied, Look, Wish, carry_out, look, look_for_rivals
from connector.crm.salesforce.provision.items import Grant, ProvisionPlan
from connector.crm.salesforce.provision.metadata import MetadataLine
from connector.crm.salesforce.provision.options import Channel, Options
from connector.crm.salesforce.provision.org import OrgState
from connector.crm.salesforce.provision.source import DESTRUCTIVE, MANIFEST, write_source
from connector.errors import Advice, CrmError, Problem, UserError
from connector.handoff.model import SystemName
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap

ID_CHARS = 15
"""An id as Setup shows it; the API's has three characters more (facts: Salesforce §7)."""


@dataclass(slots=True)
class SalesforceInstaller:
    """One org. ``line`` is the admin's, ``own`` the daemon's where it works and is another one.

    ``channel`` is where the daemon is told to listen; ``login_problem`` why its own login does not work, if so.
    """

    name: SystemName
    crm_map: CrmMap
    policy: Policy
    line: MetadataLine
    own: MetadataLine | None
    integration_user: str
    login_problem: str
    channel: Channel
    vendor: str = "Salesforce"
    knows: frozenset[str] = frozenset({"channel", "activity_events", "ledger", "reports"})
    _found: Look | None = field(default=None, init=False)

    def look(self, choices: Choices) -> Survey:
        """Read the org and plan; writes nothing. Raises `CrmError`."""
        wish = Wish(
            crm_map=self.crm_map,
            policy=self.policy,
            options=Options(
                channel=Channel(choices.channel) if choices.channel else self.channel,
                activity_events=choices.activity_events,
                ledger=choices.ledger,
                reports=choices.reports,
            ),
            integration_user=self.integration_user,
            remove=choices.remove,
            with_fields=choices.with_fields,
            even_with_data=choices.even_with_data,
        )
        if choices.rivals:
            org, found = look_for_rivals(self.line, wish)
            return Survey(site=site(org), plan=Plan(()), dangers=found, unread=org.unread)
        self._found = look(self.line, wish, own=self.own)
        return survey(self._found)

    def carry_out(self, *, told: Callable[[Progress], None]) -> Ending:
        """Deploy what the last look planned, after the org's own check of it."""
        lost: list[Grant] = []
        try:
            applied = carry_out(
                self.line,
                self._last.plan,
                told=lambda progress: told(_progress(progress)),
                bereft=lost.extend,
            )
        except KeyboardInterrupt as error:
            if not lost:
                raise
            raise UserError([Problem("", "interrupted", "; ".join(bereft_words(lost)))]) from error
        except LeftRunning as left:
            words = (*bereft_words(lost), left_running(left, system=self.name))
            if left.fault is None:
                raise UserError([Problem("", "interrupted", "; ".join(words))]) from left
            return Ending(Mark.UNKNOWN, words, doubted=() if left.check_only else _changes(self._last.plan))
        except CrmError as error:
            if error.fault.advice is not Advice.VERIFY and not lost:
                raise
            said = (*bereft_words(lost), _end_of(error, system=self.name))
            return Ending(Mark.UNKNOWN, said, doubted=_changes(self._last.plan))
        return dataclasses.replace(ending(applied), done=_done(self._last.plan, applied))

    def export(self, folder: Path) -> Exported:
        """Write a Salesforce source project."""
        found = self._last
        written = write_source(found.exported, folder, found.api_version, gone=found.plan.to_remove)
        what = f"--source-dir {folder}/force-app"
        if found.plan.to_remove:
            what = f"--manifest {folder}/{MANIFEST} --post-destructive-changes {folder}/{DESTRUCTIVE}"
        commands = tuple(f"sf project deploy start {what} --target-org ORG{more}" for more in (" --dry-run", ""))
        return Exported(written, commands, ("Check it, then deploy it, with the Salesforce CLI:",))

    @property
    def _last(self) -> Look:
        if self._found is None:
            raise ValueError("look at the org before anything else")
        return self._found


def survey(found: Look) -> Survey:
    """A look in the port's words."""
    plan = found.plan
    return Survey(
        site=site(found.org),
        plan=plan,
        besides=tuple(_given(grant) for grant in plan.grants),
        dangers=found.dangers,
        problems=found.desired.problems,
        unread=found.org.unread,
        data={
            "org": found.org.org_id,
            "name": found.org.name,
            "sandbox": found.org.is_sandbox,
            "grants": [
                {"permission_set": one.permission_set, "user": one.user_id, "take": one.take} for one in plan.grants
            ],
        },
    )


def site(org: OrgState) -> Site:
    """Which org this is."""
    kind = "a sandbox org" if org.is_sandbox else "a PRODUCTION org"
    ids = (org.org_id, org.org_id[:ID_CHARS]) if org.org_id else ()
    return Site("org", kind, guarded=not org.is_sandbox and bool(ids), ids=ids, name=org.name)


def ending(applied: Applied) -> Ending:
    """How a deploy and the grants after it went."""
    return Ending(
        Mark.DONE if applied.ok else Mark.REFUSED,
        words=tuple(_said(applied)),
        data={
            "check": _outcome_data(applied.check),
            "deploy": _outcome_data(applied.done),
            "refused": [
                {"permission_set": grant.permission_set, "user": grant.user_id, "words": words}
                for grant, words in applied.refused
            ],
        },
    )


def _changes(plan: ProvisionPlan) -> tuple[Line, ...]:
    """All that applying a plan writes: components, and who holds which permission set."""
    return (*plan.of(*WRITES), *map(_grant_line, plan.grants))


def _done(plan: ProvisionPlan, applied: Applied) -> tuple[Line, ...]:
    """A deploy is done whole or not at all, and not begun while somebody keeps a set that is to go; of those that are
    given, the org may refuse each."""
    refused = {grant for grant, _ in applied.refused}
    deployed = applied.done is not None and applied.done.ok
    if any(grant.take for grant in refused) or not (deployed or plan.is_empty):
        return ()
    return (*plan.of(*WRITES), *(_grant_line(grant) for grant in plan.grants if grant not in refused))


def _grant_line(grant: Grant) -> Line:
    do = Do.REMOVE if grant.take else Do.CREATE
    return Line(do, "PermissionSetAssignment", f"{grant.permission_set} {grant.user_id}", why=_given(grant))


def left_running(left: LeftRunning, *, system: str) -> str:
    """What to know when the end of a deploy was not seen: after Ctrl-C, a login that ended, or too long a wait."""
    why = f"its end was not seen ({left.fault.message}, {left.fault.vendor_code}); " if left.fault else ""
    if left.check_only:
        return f"{why}the check {left.job} goes on or not; it changes nothing in the org, and nothing was deployed"
    return (
        f"{why}the deploy {left.job} goes on in the org: Setup > Deployment Status shows it and can cancel it. "
        f"What is left to do afterwards: handoff provision {system}"
    )


def bereft_words(grants: Sequence[Grant]) -> Iterator[str]:
    """Who does not hold a permission set any more, though it may still be there: nothing else would tell."""
    if grants:
        yield "These people lost a permission set that could not be given back; if it stays, assign it again:"
    for name in sorted({one.permission_set for one in grants}):
        yield f"  {name}: {', '.join(one.user_id for one in grants if one.permission_set == name)}"


def _end_of(error: CrmError, *, system: str) -> str:
    if error.fault.advice is not Advice.VERIFY:
        return f"nothing was deployed: {error.fault.message} ({error.fault.vendor_code})"
    return (
        f"the answer to the deploy was lost ({error.fault.vendor_code}), so it may be under way or not: "
        f"Setup > Deployment Status shows it. What is left to do once it ended: handoff provision {system}"
    )


def _given(grant: Grant) -> str:
    what = "is taken from" if grant.take else "is given to the connector's user"
    return f"PermissionSet {grant.permission_set} {what} {grant.user_id}"


def _progress(progress: apply.Progress) -> Progress:
    what = "checking" if progress.check_only else "deploying"
    return Progress(progress.job, f"{what} {progress.job} {progress.state}", progress.done, progress.total)


def _said(applied: Applied) -> Iterator[str]:
    for what, outcome in (("The check", applied.check), ("The deploy", applied.done)):
        if outcome is not None and not outcome.ok:
            yield f"{what} {outcome.job} was refused, so nothing was changed: {outcome.words}"
            yield from (f"  ! {_failure_line(failure)}" for failure in outcome.failures)
    for grant, words in applied.refused:
        verb = "taken from" if grant.take else "given to"
        yield f"  ! {grant.permission_set} could not be {verb} {grant.user_id}: {words}"
    if applied.ok and applied.done is not None:
        yield f"Done: deploy {applied.done.job}."


def _failure_line(failure: Failure) -> str:
    where = f"{failure.file}:{failure.line}" if failure.line else failure.file
    return " ".join(part for part in (failure.type, failure.name, f"({where}):", failure.problem) if part)


def _outcome_data(outcome: Outcome | None) -> Mapping[str, Any] | None:
    if outcome is None:
        return None
    return {
        "id": outcome.job,
        "ok": outcome.ok,
        "words": outcome.words,
        "failures": [
            {"type": one.type, "name": one.name, "file": one.file, "line": one.line, "problem": one.problem}
            for one in outcome.failures
        ],
    }
