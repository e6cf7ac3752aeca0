"""Which actions tell who stays: known numbers, planted truths, pure chance, and too few customers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connector.cli.app import build
from connector.errors import UserError
from connector.handoff.analyse import Customer, Rate, analyse, fisher, holm, wilson


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        # Known values: Brown, Cai and DasGupta's tables, and R's prop.test(correct = FALSE).
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (85, 100, 0.7672, 0.9069),
        (1, 3, 0.0615, 0.7923),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_s_interval(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@pytest.mark.parametrize(
    ("table", "p"),
    [
        # R's fisher.test: the lady tasting tea, and a table of Agresti's.
        ((3, 1, 1, 3), 0.4857),
        ((4, 0, 0, 4), 0.0286),
        ((1, 9, 11, 3), 0.002759),
        ((10, 0, 0, 10), 1.0825e-05),
        ((0, 0, 0, 0), 1.0),
        ((5, 5, 5, 5), 1.0),
    ],
)
def test_fisher_s_exact_test(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(table) == pytest.approx(p, rel=1e-3)
    a, b, c, d = table
    assert fisher((c, d, a, b)) == pytest.approx(fisher(table))


def test_holm_s_correction() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def agency(*, customers: int = 200, seed: int = 7) -> list[Customer]:
    """The marketing agency: three sources connected keep 85 of 100, fewer 40 of 100; logins mean nothing."""
    lot = random.Random(seed)
    found = []
    for number in range(customers):
        sources = lot.choice([0, 1, 2, 2, 3, 3, 4])
        kept = lot.random() < (0.85 if sources >= 3 else 0.4)
        actions = {"source_connected": sources, "login": lot.randint(1, 9), "invited": lot.randint(0, 2)}
        found.append(Customer(f"c{number}", kept, actions))
    return found


def test_the_third_source_is_found() -> None:
    found = analyse(agency())
    first = found.rows[0]
    assert (first.action, first.at_least) == ("source_connected", 3)
    assert first.is_telling
    low, high = first.reached.interval
    assert low < 0.85 < high
    assert first.missed.interval[1] < low, "the intervals are apart"
    assert not any(row.is_telling for row in found.rows[1:])
    assert found.refused == ""
    assert f"{found.tests} comparisons" in found.notes[0]


@pytest.mark.parametrize("seed", range(20))
def test_of_pure_chance_almost_nothing_is_found(seed: int) -> None:
    lot = random.Random(seed)
    actions = [f"action_{number}" for number in range(25)]
    customers = [
        Customer(f"c{n}", lot.random() < 0.6, {name: lot.randint(0, 4) for name in actions}) for n in range(120)
    ]
    found = analyse(customers)
    assert found.tests == 100
    telling = [row for row in found.rows if row.is_telling]
    assert telling == []
    assert "No action separates" in found.notes[1]
    assert min(row.p for row in found.rows) < 0.2, "uncorrected, some would have looked like it"


def test_few_customers_are_not_ranked() -> None:
    found = analyse(agency(customers=19))
    assert found.refused == "19 customers are too few to rank anything by; at least 20 are needed"
    assert [row.action for row in found.rows] == sorted(row.action for row in found.rows)
    assert found.notes == ()


def test_too_few_who_left_are_not_ranked() -> None:
    customers = [Customer(f"c{n}", n > 3, {"a": n % 3}) for n in range(60)]
    assert analyse(customers).refused == "only 4 customers left; at least 5 of each are needed to compare"


def test_what_everybody_did_tells_nothing_and_is_no_row() -> None:
    customers = [Customer(f"c{n}", n % 2 == 0, {"seen": 1}) for n in range(40)]
    assert analyse(customers).rows == ()


def test_a_rate_of_nobody_has_none() -> None:
    assert (Rate(0, 0).share, Rate(0, 0).interval) == (None, (0.0, 1.0))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(build(("milestones", "events")), list(arguments))


def a_table(path: Path, customers: list[Customer]) -> str:
    names = sorted(customers[0].actions)
    lines = [",".join(("customer", "stayed", *names))]
    lines += [
        ",".join((one.id, "yes" if one.kept else "no", *(str(one.actions[name]) for name in names)))
        for one in customers
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_the_command_reads_a_table(tmp_path: Path) -> None:
    done = run("milestones", "analyse", "--csv", a_table(tmp_path / "c.csv", agency()), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["actions"][0]["action"], told["actions"][0]["at_least"]) == ("source_connected", 3)
    assert told["actions"][0]["did"]["low"] < told["actions"][0]["did"]["share"] < told["actions"][0]["did"]["high"]
    assert told["comparisons"] > 10
    few = run("milestones", "analyse", "--csv", a_table(tmp_path / "few.csv", agency(customers=12)))
    assert few.exit_code == 1
    assert "too few to rank" in few.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with the columns"),
        ("name,kept\na,yes\n", "must begin with the columns"),
        ("customer,stayed,a\nx,maybe,1\n", "line 2: stayed is 'maybe'"),
        ("customer,stayed,a\nx,yes,-1\n", "line 2: a is '-1'"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    done = run("milestones", "analyse", "--csv", str(path))
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception.problems[0])
