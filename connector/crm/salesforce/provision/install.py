"""Installing into one org, and taking out again: look, plan, and carry the plan out, in one place for the command.

Not here: what is printed and asked (``cli``), and any part's own work (``desired``, ``org``, ``compare``, ``apply``).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from connector.crm.installer import Danger
from connector.crm.salesforce.provision.apply import LeftRunning, Outcome, Progress, deploy, settle_grants
from connector.crm.salesforce.provision.compare import MEMBER, compare, is_ours
from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.conflicts import dangers
from connector.crm.salesforce.provision.desired import Desired, desired
from connector.crm.salesforce.provision.items import Grant, ProvisionPlan
from connector.crm.salesforce.provision.kinds import kinds_of
from connector.crm.salesforce.provision.marks import marked
from connector.crm.salesforce.provision.metadata import MetadataLine
from connector.crm.salesforce.provision.options import Options
from connector.crm.salesforce.provision.org import OrgState, describe_org, read_org, read_rivals
from connector.crm.salesforce.provision.permissions import INTEGRATION
from connector.crm.salesforce.provision.remove import holdings, removal
from connector.crm.salesforce.provision.render import deploy_zip
from connector.errors import Advice, CrmError
from connector.handoff.model import Kind
from connector.handoff.rulebook.policy import Policy
from connector.policy.crmmap import CrmMap
from connector.policy.known import WRITERS

OWNER = "OwnerId"
HELD = (Kind.DEAL, Kind.ACCOUNT)
"""Who writes it needs the right to transfer records (facts: Salesforce §7)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an admin wants of one org. ``integration_user`` is the id of the daemon's own user, empty if unknown."""

    crm_map: CrmMap
    policy: Policy
    options: Options = field(default_factory=Options)
    integration_user: str = ""
    remove: bool = False
    with_fields: bool = False
    even_with_data: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """One org as it stands, and what there is to do."""

    api_version: str
    desired: Desired
    org: OrgState
    plan: ProvisionPlan
    dangers: tuple[Danger, ...] = ()

    @property
    def exported(self) -> tuple[Component, ...]:
        """The whole installation as it would stand in this org: what is there already joined with what is to be.

        Of the channel's members only those that the org lacks: deploying one again fails (facts: Salesforce §2.5). Of
        fields only ours: what an admin or a package brought is theirs to carry from org to org.
        """
        changed = {one.key: one for one in self.plan.to_deploy}
        carried = (one for one in self.desired.components if one.key in changed or is_ours(*one.key))
        wanted = (marked(one) for one in carried if one.type != MEMBER or one.key in changed)
        kept = (changed.get(one.key) or self.org.get(*one.key) or one for one in wanted)
        layouts = (one for one in self.plan.to_deploy if one.type == "Layout")
        return (*kept, *layouts)


@dataclass(frozen=True, slots=True)
class Applied:
    """How carrying out a plan ended. ``check`` failed: nothing was changed. ``refused``: grants the org refused."""

    check: Outcome | None = None
    done: Outcome | None = None
    refused: tuple[tuple[Grant, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return all(one is None or one.ok for one in (self.check, self.done)) and not self.refused


def look(line: MetadataLine, wish: Wish, *, own: MetadataLine | None = None) -> Look:
    """Read the org and plan; writes nothing. ``own``: the daemon's login, which sees its fields. Raises `CrmError`."""
    described = describe_org(line)
    options = dataclasses.replace(
        wish.options,
        api_version=line.session.api_version,
        permissionable=described.permissionable,
        won_stages=described.won_stages,
        writes_owner=any(one.field == OWNER and one.owner in WRITERS for kind in HELD for one in wish.crm_map.of(kind)),
    )
    first = desired(wish.crm_map, wish.policy, options)
    org = read_org(line, (one.key for one in first.components), described=described)
    kinds = kinds_of(org)
    options = dataclasses.replace(
        options, described=kinds.types, ungranted=kinds.ungranted, unwritten=kinds.unwritten, tracked=kinds.tracked
    )
    wanted = desired(wish.crm_map, wish.policy, options)
    if wish.remove:
        held = holdings((line, *((own,) if own else ())), org)
        plan = removal(wanted, org, held, with_fields=wish.with_fields, even_with_data=wish.even_with_data)
        return Look(options.api_version, wanted, org, plan)
    plan = compare(wanted, org, integration_user=wish.integration_user, holds=INTEGRATION)
    return Look(options.api_version, wanted, org, plan, dangers(org, wish.crm_map, wish.policy))


def look_for_rivals(line: MetadataLine, wish: Wish) -> tuple[OrgState, tuple[Danger, ...]]:
    """What of the org's own would fight, without a plan. Raises `CrmError`."""
    org = read_rivals(line, described=describe_org(line))
    return org, dangers(org, wish.crm_map, wish.policy)


def carry_out(
    line: MetadataLine,
    plan: ProvisionPlan,
    *,
    told: Callable[[Progress], None],
    bereft: Callable[[Sequence[Grant]], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Applied:
    """Do what the plan says: first checked by the org without saving, then deployed whole or not at all.

    A permission set that people hold cannot be deleted, so they lose it first, and get it back if it stays after all.
    ``bereft`` is told who did not get theirs back, before an error goes on. Raises `CrmError` and `apply.LeftRunning`.
    """
    taken = [grant for grant in plan.grants if grant.take]
    refused = _refused(line, taken)
    if refused:
        kept = {grant for grant, _ in refused}
        return Applied(refused=(*refused, *_give_back(line, [one for one in taken if one not in kept])))
    try:
        check, done = _deployed(line, plan, told=told, sleep=sleep)
    except (CrmError, LeftRunning, KeyboardInterrupt) as error:
        without = [grant for grant, _ in _give_back(line, taken)] if _surely_undone(error) else taken
        if without:
            bereft(without)
        raise
    if (check is not None and not check.ok) or (done is not None and not done.ok):
        return Applied(check, done, _give_back(line, taken))
    return Applied(check, done, _refused(line, [grant for grant in plan.grants if not grant.take]))


def _deployed(
    line: MetadataLine, plan: ProvisionPlan, *, told: Callable[[Progress], None], sleep: Callable[[float], None]
) -> tuple[Outcome | None, Outcome | None]:
    """How the check and the deploy ended; None for what did not take place."""
    if not plan.to_deploy and not plan.to_remove:
        return None, None
    archive = deploy_zip(plan.to_deploy, api_version=line.session.api_version, destructive=plan.to_remove)
    try:
        check = deploy(line, archive, check_only=True, told=told, sleep=sleep)
    except CrmError as error:
        if error.fault.advice is not Advice.VERIFY:
            raise
        # Whatever became of it, a check saves nothing.
        raise LeftRunning("", check_only=True, fault=error.fault) from error
    return check, deploy(line, archive, check_only=False, told=told, sleep=sleep) if check.ok else None


def _surely_undone(error: BaseException) -> bool:
    """Whether the org is certainly as it was."""
    if isinstance(error, LeftRunning):
        return error.check_only
    return isinstance(error, CrmError) and error.fault.advice is not Advice.VERIFY


def _give_back(line: MetadataLine, taken: Sequence[Grant]) -> tuple[tuple[Grant, str], ...]:
    """Those who could not be given back what was taken from them."""
    return _refused(line, [dataclasses.replace(grant, take=False) for grant in taken])


def _refused(line: MetadataLine, grants: Sequence[Grant]) -> tuple[tuple[Grant, str], ...]:
    return tuple((grant, words) for grant, words in settle_grants(line, grants) if words)
