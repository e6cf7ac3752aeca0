"""Given these counts, then these milestones, these rescue tasks, and none for a customer who does well."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from factories import AE, NOW, TOMAS, WON_AT, a_ledger, a_playbook, a_snapshot, a_step, a_task, when
from late_parts import AT_ONCE, HOUR, LADDER
from product_parts import a_product, a_product_policy, after, at, facts, shown

from connector.handoff.counted import ProductFacts, Sort
from connector.handoff.decide import decide
from connector.handoff.model import Effect, Gate, Kind, Snapshot, Span
from connector.handoff.plan import Notify, Patch, Plan, Upsert
from connector.handoff.productbook import Measure, Milestone, Need, Rescue
from connector.handoff.rulebook.calendars import Team, TeamCalendar
from connector.handoff.rulebook.conditions import Op
from connector.handoff.rulebook.playbooks import Do, Miss, Signal, SignalKind, Trigger, TriggerKind
from connector.handoff.rulebook.policy import Policy

RUNNING: dict[str, Any] = {
    "generation": 1,
    "won_at": WON_AT,
    "released_at": NOW,
    "gate": Gate.RELEASED,
    "csm_id": TOMAS,
}
BARE = a_product_policy(playbooks=(a_playbook(tasks=()),))


def a_case(product: ProductFacts, *, tasks: tuple[Any, ...] = (), **ledger: Any) -> Snapshot:
    return a_snapshot(
        account=shown(csm=TOMAS), deal={"csm": TOMAS}, ledger={**RUNNING, **ledger}, product=product, tasks=tasks
    )


def rescue(plan: Plan) -> dict[str, Upsert]:
    return {
        one.step: one
        for one in plan.actions
        if isinstance(one, Upsert) and one.kind is Kind.TASK and one.step.startswith("stuck-")
    }


def account(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in plan.actions:
        if isinstance(one, Patch) and one.ref.kind is Kind.ACCOUNT:
            found |= one.values
    return found


def said(plan: Plan, rule: str) -> str:
    return next((each.reason for each in plan.findings if each.rule == rule), "")


def body(plan: Plan) -> str:
    (one,) = rescue(plan).values()
    return str(one.values["body"])


# milestones on the account


def test_the_account_says_one_of_three_connected() -> None:
    now = after(5)
    plan = decide(a_case(facts(now, at("connected", after(1), after(2), part="email"))), BARE, now)
    assert account(plan) == {"activation": "1 of 3 connected", "milestones": "0 of 2", "onboarding_stage": "Set-up"}
    assert said(plan, "onboarding") == "0 of 2 milestones reached; connected_three: 1 of 3 connected."


def test_the_third_kind_of_source_is_the_moment_of_activation_however_often_the_first_was_connected() -> None:
    now = after(6)
    rows = [at("connected", after(-3), part="email"), at("connected", after(2), part="ads"),
            at("connected", after(4), after(5), part="crm")]  # fmt: skip
    plan = decide(a_case(facts(now, *rows)), BARE, now)
    assert account(plan)["activation"] == "3 of 3 connected"
    assert account(plan)["activated_on"] == after(4).date()
    assert account(plan)["onboarding_stage"] == "Live"


def test_the_expected_go_live_date_stands_on_the_account_too() -> None:
    case = a_case(facts(NOW))
    deal = dataclasses.replace(case.deal, values={**case.deal.values, "go_live_date": date(2026, 4, 1)})
    assert account(decide(dataclasses.replace(case, deal=deal), BARE, NOW))["go_live_date"] == date(2026, 4, 1)


def test_a_milestone_of_several_needs_counts_those_that_are_met() -> None:
    product = a_product(milestones=(Milestone("first_week", (Need("login", 3), Need("workflow")), activation=True),))
    policy = a_product_policy(product=product, playbooks=(a_playbook(tasks=()),))
    now = after(3)
    logins = at("login", after(1), after(1, hours=1), after(2))
    assert account(decide(a_case(facts(now, logins)), policy, now))["activation"] == "1 of 2"


@pytest.mark.parametrize("product", [facts(NOW, since=None), facts(NOW, named=False), facts(NOW, ambiguous=True)])
def test_nothing_counted_is_not_none_reached(product: ProductFacts) -> None:
    assert account(decide(a_case(product), BARE, NOW)) == {"onboarding_stage": "Set-up"}


def test_what_the_account_shows_outlasts_a_lost_ledger() -> None:
    now = after(9)
    case = a_case(facts(now, at("connected", after(8), part="crm")))
    seen = dataclasses.replace(case.account, values={**case.account.values, "activation": "2 of 3 connected"})  # type: ignore[union-attr, type-var]
    assert "activation" not in account(decide(dataclasses.replace(case, account=seen), BARE, now))


def test_a_field_of_the_crm_is_a_measure() -> None:
    measures = (*a_product().measures, Measure("seats", field="amount"))
    product = a_product(
        measures=measures,
        milestones=(Milestone("big", (Need("seats", 20_000),), says="{n} of {of} seats", activation=True),),
    )
    policy = a_product_policy(product=product, playbooks=(a_playbook(tasks=()),))
    assert account(decide(a_case(facts(NOW)), policy, NOW))["activation"] == "18000 of 20000 seats"


def test_another_product_has_another_activation_milestone() -> None:
    other = Milestone(
        "campaigns", (Need("data", 3),), when("amount", Op.AT_LEAST, 18000), "{n} of {of} sent", activation=True
    )
    other = dataclasses.replace(other, when=when("champion", Op.CONTAINS, "Ingrid"))
    product = a_product(milestones=(other, *a_product().milestones))
    policy = a_product_policy(product=product, playbooks=(a_playbook(tasks=()),))
    assert account(decide(a_case(facts(NOW)), policy, NOW))["activation"] == "0 of 3 sent"


# steps that a milestone or an event proves, or begins


def day_seven() -> Any:
    return a_step(
        "day-7",
        trigger=Trigger(TriggerKind.TIME, anchor="won", days=7),
        done_when=(Signal(SignalKind.TASK_CLOSED), Signal(SignalKind.MILESTONE, name="first_week")),
    )


def steps_of(*steps: Any) -> Any:
    return a_product_policy(product=a_product(stuck=()), playbooks=(a_playbook(tasks=steps),))


def made(plan: Plan) -> list[str]:
    return [one.step for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.TASK]


def test_the_check_of_day_seven_makes_no_task_for_three_logins_and_a_workflow_and_one_for_less() -> None:
    now = after(7, hours=2)
    logins = at("login", after(1), after(2), after(3))
    well = decide(a_case(facts(now, logins, at("workflow", after(4)))), steps_of(day_seven()), now)
    assert made(well) == []
    assert [(one.state, one.why) for one in well.tasks] == [
        ("done", "Seen done on 7 Mar 2026: the customer reached first week.")
    ]
    assert made(decide(a_case(facts(now, logins)), steps_of(day_seven()), now)) == ["day-7"]


def test_an_open_task_closes_when_its_event_comes() -> None:
    step = a_step("data-in", done_when=(Signal(SignalKind.EVENT, name="data", at_least=2),))
    now = after(2)
    case = a_case(facts(now, at("data", after(1))), tasks=(a_task("data-in"),))
    assert made(decide(case, steps_of(step), now)) == []
    case = a_case(facts(now, at("data", after(1), after(1, hours=1))), tasks=(a_task("data-in"),))
    plan = decide(case, steps_of(step), now)
    assert [(one.step, one.values) for one in plan.actions if isinstance(one, Upsert) and one.kind is Kind.TASK] == [
        ("data-in", {"status": "done"})
    ]


@pytest.mark.parametrize(
    ("trigger", "counted"),
    [
        (Trigger(TriggerKind.EVENT, name="data"), at("data", after(1))),
        (Trigger(TriggerKind.MILESTONE, name="big"), at("workflow", after(1))),
        (Trigger(TriggerKind.STUCK, name="integration-unfinished"), at("begun", after(0.2), part="Slack")),
    ],
)
def test_a_step_begins_with_an_event_a_milestone_or_a_stuck_signal(trigger: Trigger, counted: Any) -> None:
    product = a_product(milestones=(Milestone("big", (Need("workflow"),)),))
    policy = a_product_policy(product=product, playbooks=(a_playbook(tasks=(a_step("next", trigger=trigger),)),))
    now = after(1, hours=12)
    before = decide(a_case(facts(now)), policy, now)
    assert "next" not in made(before)
    assert before.tasks[0].why.startswith("Its task is made when it happens: when ")
    plan = decide(a_case(facts(now, counted)), policy, now)
    assert "next" in made(plan)
    assert "began:next" in plan.remember.marks


# the four stuck signals


def test_no_login_in_48_hours_makes_one_task_with_three_times_that_are_free() -> None:
    now = after(2, hours=1)
    taken = (Span(now, now + timedelta(hours=3)),)
    case = dataclasses.replace(a_case(facts(now)), busy={TOMAS: taken})
    plan = decide(case, BARE, now)
    (step, task), = rescue(plan).items()  # fmt: skip
    assert step == "stuck-no-login-20260303"
    assert task.key == "sf-test:006A:1:stuck-no-login-20260303"
    assert task.values["subject"] == "Help with the first login: Nordlys AS"
    assert task.values["owner"] == TOMAS
    offered = [line for line in body(plan).splitlines() if " to " in line]
    assert offered == [
        "Thursday, 5 Mar, 14:00 to 14:15 (Europe/Berlin)",
        "Thursday, 5 Mar, 16:15 to 16:30 (Europe/Berlin)",
        "Friday, 6 Mar, 10:45 to 11:00 (Europe/Berlin)",
    ]


def test_offers_of_a_friday_evening_are_on_monday() -> None:
    friday = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)
    plan = decide(a_case(facts(friday)), BARE, friday)
    offered = [line for line in body(plan).splitlines() if " to " in line]
    assert len(offered) == 3
    assert all(line.startswith("Monday, 9 Mar") for line in offered)


def test_offers_are_by_the_clock_of_whoever_gives_the_help() -> None:
    now = after(2, hours=1)
    lisbon = dataclasses.replace(BARE.calendar, name="Lisbon", tz="Europe/Lisbon")
    policy = dataclasses.replace(BARE, calendars=(TeamCalendar(lisbon, Team.CS),))
    offered = [line for line in body(decide(a_case(facts(now)), policy, now)).splitlines() if " to " in line]
    assert len(offered) == 3
    assert all(line.endswith("(Europe/Lisbon)") for line in offered)


def test_before_48_hours_it_only_waits_until_then() -> None:
    now = after(1)
    plan = decide(a_case(facts(now)), BARE, now)
    assert rescue(plan) == {}
    assert plan.recheck_at == after(2)


def test_an_integration_that_was_begun_and_not_finished_is_named() -> None:
    now = after(3)
    rows = [at("login", after(0.5)), at("begun", after(1), part="Slack"), at("begun", after(1, hours=1), part="Gmail"),
            at("connected", after(1, hours=2), part="Gmail")]  # fmt: skip
    plan = decide(a_case(facts(now, *rows)), BARE, now)
    (step, task), = rescue(plan).items()  # fmt: skip
    assert step == "stuck-integration-unfinished-20260304"
    assert task.values["subject"] == "Help with Slack: Nordlys AS"
    assert "Gmail" not in str(task.values["body"])


def test_logins_but_no_data() -> None:
    now = after(3)
    logins = at("login", after(0.5), after(1), after(1, hours=5))
    plan = decide(a_case(facts(now, logins)), BARE, now)
    assert list(rescue(plan)) == ["stuck-no-data-20260304"]
    assert rescue(decide(a_case(facts(now, logins, at("data", after(0.6)))), BARE, now)) == {}
    assert rescue(decide(a_case(facts(now, at("login", after(1), after(2)))), BARE, now)) == {}


def opened(session: str, count: int, begins: datetime) -> list[Any]:
    moments = [begins + timedelta(minutes=number) for number in range(count)]
    return [
        at("help", *moments, part=session, sort=Sort.SESSION),
        at("help", *moments),
        at("help", *moments, part="Webhooks"),
    ]


def test_help_opened_more_than_five_times_in_a_session_names_the_article() -> None:
    now = after(3)
    logins = at("login", after(0.5))
    six = decide(a_case(facts(now, logins, *opened("s1", 6, after(2.9)))), BARE, now)
    assert list(rescue(six)) == ["stuck-help-docs-20260306"]
    assert rescue(six)["stuck-help-docs-20260306"].values["subject"] == "Help with Webhooks: Nordlys AS"
    five_and_five = [*opened("s1", 5, after(2.8)), *opened("s2", 5, after(2.9))]
    assert rescue(decide(a_case(facts(now, logins, *five_and_five)), BARE, now)) == {}


def test_a_session_of_long_ago_needs_no_rescue() -> None:
    now = after(6)
    assert rescue(decide(a_case(facts(now, at("login", after(1)), *opened("s1", 9, after(3)))), BARE, now)) == {}


def test_a_customer_who_does_well_is_left_in_peace() -> None:
    """Logs in, connects what they begin, brings in data, reads five help pages a session: on no day a task."""
    for hours in range(1, 24 * 40, 7):
        now = after(hours=hours)
        rows: list[Any] = []
        for number in range(int(hours / 24) + 1):
            rows += [at("login", after(number, hours=0.5)), at("data", after(number, hours=1)),
                     at("workflow", after(number, hours=1.5))]  # fmt: skip
            rows += [*opened(f"s{number}", 5, after(number, hours=0.7))]
            rows += [at("begun", after(number, hours=0.6), part=f"src{number}"),
                     at("connected", after(number, hours=3), part=f"src{number}")]  # fmt: skip
        assert rescue(decide(a_case(facts(now, *rows)), BARE, now)) == {}, now


# never twice, and closed by itself


def open_task(step: str, *, done: bool = False) -> Any:
    return dataclasses.replace(a_task(step), owner_id=TOMAS, done=done)


STUCK_STATES = {
    "stuck-no-login-20260303": lambda now: facts(now),
    "stuck-integration-unfinished-20260304": lambda now: facts(
        now, at("login", after(0.5)), at("begun", after(1), part="Slack")
    ),
    "stuck-no-data-20260304": lambda now: facts(now, at("login", after(0.5), after(1), after(1, hours=1))),
    "stuck-help-docs-20260306": lambda now: facts(now, at("login", after(0.5)), *opened("s1", 6, after(2.95))),
}


@pytest.mark.parametrize("step", STUCK_STATES)
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_the_same_episode_makes_no_second_task(step: str, done: bool, ledger: str) -> None:
    now = after(3)
    assert list(rescue(decide(a_case(STUCK_STATES[step](now)), BARE, now))) == [step]
    effects = {step: Effect(step, "t1", "x")}
    case = a_case(STUCK_STATES[step](now), tasks=(open_task(step, done=done),), effects=effects)
    if ledger == "lost":
        case = dataclasses.replace(case, ledger=a_ledger())
        values = {**case.deal.values, "gate": "Released", "started_at": WON_AT.replace(microsecond=0)}
        case = dataclasses.replace(case, deal=dataclasses.replace(case.deal, values=values))
    assert rescue(decide(case, BARE, now)) == {}
    assert rescue(decide(case, BARE, after(3.5))) == {}


@pytest.mark.parametrize("step", STUCK_STATES)
def test_a_task_that_a_person_deleted_is_not_made_again(step: str) -> None:
    now = after(3)
    case = a_case(STUCK_STATES[step](now), effects={step: Effect(step, "t1", "x")})
    assert rescue(decide(case, BARE, now)) == {}


@pytest.mark.parametrize(
    ("step", "moved"),
    [
        ("stuck-no-login-20260303", at("login", after(3.1))),
        ("stuck-integration-unfinished-20260304", at("connected", after(3.1), part="Slack")),
        ("stuck-no-data-20260304", at("data", after(3.1))),
        ("stuck-help-docs-20260306", at("workflow", after(3.1))),
    ],
)
@pytest.mark.parametrize("ledger", ["kept", "lost"])
def test_the_task_closes_when_the_customer_moves_on(step: str, moved: Any, ledger: str) -> None:
    now = after(3.2)
    before = STUCK_STATES[step](now) if ledger == "kept" else facts(now, since=after(3.05))
    tallies = {**before.tallies, moved[0].measure: (*before.tallies.get(moved[0].measure, ()), *moved)}
    case = a_case(dataclasses.replace(before, tallies=tallies), tasks=(open_task(step),))
    plan = decide(case, BARE, now)
    assert [one.values for one in rescue(plan).values()] == [{"status": "done"}]
    assert list(rescue(plan)) == [step]


def test_another_day_another_integration_is_another_episode() -> None:
    now = after(6)
    rows = [at("login", after(0.5)), at("begun", after(1), part="Slack"), at("connected", after(2), part="Slack"),
            at("begun", after(4), part="Ads"), at("data", after(2))]  # fmt: skip
    case = a_case(facts(now, *rows), tasks=(open_task("stuck-integration-unfinished-20260304", done=True),))
    assert list(rescue(decide(case, BARE, now))) == ["stuck-integration-unfinished-20260307"]


# what proves nothing


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"since": after(0.5)}, "not known from its beginning on"),
        ({"since": None}, "not known from its beginning on"),
        ({"heard_at": after(1)}, "no product events come at all"),
        ({"named": False}, "the account's name in the product is not known"),
        ({"unnamed": ("field:account.product_id",)}, "the account's name in the product is not known"),
        ({"ambiguous": True}, "other accounts answer to the same name"),
    ],
)
def test_what_is_not_counted_proves_nothing_where_it_could_not_have_been(changes: dict[str, Any], words: str) -> None:
    now = after(3)
    plan = decide(a_case(facts(now, **changes)), BARE, now)
    assert rescue(plan) == {}
    assert words in said(plan, "stuck")


def test_deals_won_before_the_admins_date_are_left_in_peace() -> None:
    policy = a_product_policy(product=a_product(since=date(2026, 3, 4)), playbooks=(a_playbook(tasks=()),))
    now = after(3)
    assert rescue(decide(a_case(facts(now)), policy, now)) == {}


def test_without_a_product_file_nothing_of_it_is_done() -> None:
    policy = dataclasses.replace(BARE, product=None)
    now = after(3)
    plan = decide(a_case(facts(now)), policy, now)
    assert rescue(plan) == {}
    assert account(plan) == {}
    assert plan.answers_to is None


def test_the_account_s_names_are_told_as_digests() -> None:
    plan = decide(a_case(facts(NOW)), BARE, NOW)
    assert plan.answers_to is not None
    assert len(plan.answers_to.subjects) == 1
    assert "acme" not in next(iter(plan.answers_to.subjects))


def test_who_was_stuck_long_ago_is_not_rescued_now() -> None:
    rows = [at("login", after(0.5)), at("begun", after(1), part="Slack")]
    for days, many in ((15, 1), (17, 0)):
        now = after(days)
        assert len(rescue(decide(a_case(facts(now, *rows)), BARE, now))) == many


def test_an_old_handoff_is_not_said_to_begin_its_onboarding() -> None:
    now = after(120)
    assert "onboarding_stage" not in account(decide(a_case(facts(now)), BARE, now))


def test_of_two_deals_neither_undoes_the_other_s_go_live_date() -> None:
    case = a_case(facts(NOW))
    deal = dataclasses.replace(case.deal, values={**case.deal.values, "go_live_date": date(2026, 4, 1)})
    assert case.account is not None
    other = dataclasses.replace(case.account, values={**case.account.values, "go_live_date": date(2026, 5, 1)})
    first = decide(dataclasses.replace(case, deal=deal, account=other), BARE, NOW)
    assert account(first)["go_live_date"] == date(2026, 4, 1)
    told = dataclasses.replace(case.ledger, marks=first.remember.marks)
    again = decide(dataclasses.replace(case, deal=deal, account=other, ledger=told), BARE, NOW)
    assert "go_live_date" not in account(again)
    empty = decide(dataclasses.replace(case, deal=deal, ledger=told), BARE, NOW)
    assert account(empty)["go_live_date"] == date(2026, 4, 1)


# a rescue task that nobody does


def laddered(**changes: Any) -> Policy:
    product = a_product(rescue=Rescue(missed=(Miss(Do.REMIND, AT_ONCE), Miss(Do.ESCALATE, HOUR))))
    return a_product_policy(product=product, playbooks=(a_playbook(tasks=()),), escalation=LADDER, **changes)


def stuck_open(due: date, **changes: Any) -> Snapshot:
    made = a_task("stuck-no-login-20260303", owner_id=TOMAS, due=due)
    marks = {"begun-with:rescue": NOW}
    return a_case(facts(after(5)), tasks=(made,), **{"marks": marks, **changes})


def told(plan: Plan) -> list[str]:
    return [one.to_id for one in plan.actions if isinstance(one, Notify) and one.step.startswith("notify-late-stuck")]


def test_a_rescue_task_that_nobody_does_goes_up_the_ladder() -> None:
    due = after(2).date()  # a Thursday
    snapshot = stuck_open(due)
    assert told(decide(snapshot, laddered(), after(2, hours=5))) == []
    plan = decide(snapshot, laddered(), after(3))
    assert told(plan) == [TOMAS]
    heard = dataclasses.replace(snapshot, ledger=dataclasses.replace(snapshot.ledger, marks=plan.remember.marks))
    later = decide(heard, laddered(), after(3, hours=2))
    assert told(later) == [AE]
    assert decide(heard, laddered(), after(3, hours=0.5)).recheck_at == after(3, hours=1)


def test_a_rescue_task_is_late_for_nobody_once_the_customer_moved_on_or_it_was_done() -> None:
    due = after(2).date()
    snapshot = stuck_open(due)
    moved = dataclasses.replace(snapshot, product=facts(after(5), at("login", after(4))))
    assert told(decide(moved, laddered(), after(5))) == []
    (open_task,) = snapshot.tasks
    done = dataclasses.replace(snapshot, tasks=(dataclasses.replace(open_task, done=True),))
    assert told(decide(done, laddered(), after(5))) == []


def test_a_ladder_that_comes_later_is_not_for_handoffs_under_way() -> None:
    old = stuck_open(after(2).date(), marks={})
    assert told(decide(old, laddered(), after(5))) == []
    assert told(decide(stuck_open(after(2).date()), BARE, after(5))) == []
    begun = decide(a_snapshot(account=shown()), laddered(), NOW).remember
    assert begun.marks["begun-with:rescue"] == NOW
