"""The template sandbox: what a template may not say or take, tried with templates that mean harm."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import pytest

from connector.handoff.templating import ENVIRONMENT, MOST_CHARS, MOST_STEPS, refusals, render

SECONDS = 1.0
"""CPU that the worst template may take: a hundred times what the shipped ones do."""


@dataclass(frozen=True, slots=True)
class Thing:
    """As `summary.Row` is."""

    __template__: ClassVar = frozenset({"label"})
    label: str
    hidden: str = "not for templates"


CONTEXT = {"deal": "Acme", "lines": tuple(f"line {each}" for each in range(200)), "thing": Thing("seen")}

HOSTILE = {
    "a text a billion times": "{{ 'a' * 10**9 }}",
    "a text a billion times, said otherwise": "{{ 'a' * 1000000000 }}",
    "a list a billion times": "{{ [1] * 999999999 }}",
    "a power of powers": "{{ 9**9**9**9 }}",
    "a product of great numbers": "{{ 999999999999999999 * 999999999999999999 * 999999999999999999 }}",
    "a wide format": "{{ '%1000000000d' % 1 }}",
    "a wide format method": "{{ '{:>1000000000}'.format(1) }}",
    "a wide center": "{{ deal.center(1000000000) }}",
    "a wide center filter": "{{ deal | center(1000000000) }}",
    "a wide indent": "{{ deal | indent(1000000000, true) }}",
    "a wide indent by a text": "{{ deal | indent('xxxxxxxxxx' | replace('x', deal * 100)) }}",
    "a fine rounding": "{{ 1.5 | round(1000000000, 'ceil') }}",
    "a wordwrap": "{{ deal | wordwrap(1) }}",
    "many slices": "{% for part in lines | slice(1000000000) %}{% endfor %}",
    "many batches": "{{ lines | batch(1000000000, 'x') | list }}",
    "a long range": "{% for each in range(1000000000) %}{% endfor %}",
    "lorem ipsum": "{{ lipsum(100000) }}",
    "a cycler": "{{ cycler('a').next() }}",
    "nested loops that print": "{% for a in lines %}{% for b in lines %}{{ a }}{{ b }}{% endfor %}{% endfor %}",
    "nested loops that print nothing": "{% for a in lines %}{% for b in lines %}{% for c in lines %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "a text that doubles": "{% set x = deal %}" + "{% set x = x ~ x %}" * 60,
    "a replacement that doubles": "{{ deal" + " | replace('', deal ~ deal ~ deal ~ deal)" * 30 + " }}",
    "a join that grows": "{% set x = lines | join(deal) %}" + "{% set x = [x, x, x] | join(x) %}" * 5,
    "a recursive loop": "{% for a in lines recursive %}{{ loop(lines) }}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a call block": "{% call deal() %}{% endcall %}",
    "a set block": "{% set x %}{{ deal }}{% endset %}{{ x }}",
    "a filter block": "{% filter upper %}{{ deal }}{% endfilter %}",
    "a namespace": "{% set ns = namespace(x=1) %}",
    "a class": "{{ deal.__class__.__mro__ }}",
    "a class by index": "{{ deal['__class__'] }}",
    "a class by filter": "{{ deal | attr('__class__') }}",
    "a class by a joined name": "{{ deal['__cl' ~ 'ass__'] }}",
    "a class by map": "{{ [deal] | map(attribute='__class__') | list }}",
    "a class by sort": "{{ [deal, 'x'] | sort(attribute='__class__') }}",
    "globals of a function": "{{ self.__init__.__globals__ }}",
    "the context": "{{ self }}",
    "a method": "{{ deal.upper() }}",
    "a method not called": "{{ deal.upper }}",
    "an attribute not listed": "{{ thing.hidden }}",
    "a change of what was given": "{{ lines.append(1) }}",
    "an include": "{% include '/etc/passwd' %}",
    "an import": "{% import 'os' as os %}",
    "a from import": "{% from 'os' import system %}",
    "an extends": "{% extends 'x' %}",
    "a block": "{% block x %}{% endblock %}",
    "escaping switched": "{% autoescape true %}{{ deal }}{% endautoescape %}",
    "a debug tag": "{% debug %}",
    "a do tag": "{% do deal %}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep lists": "{{ " + "[" * 3000 + "1" + "]" * 3000 + " }}",
    "deep conditions": "{% if deal %}" * 300 + "{% endif %}" * 300,
    "deep loops": "{% for a in lines %}" * 25 + "{% endfor %}" * 25,
    "deep sums": "{{ " + "1 + " * 5000 + "1 }}",
    "deep negations": "{{ " + "not " * 5000 + "1 }}",
    "a long template": "x" * (MOST_CHARS + 1),
    "a huge number": "{{ 1" + "0" * 5000 + " }}",
    "the budget by its name": "{{ handoff budget }}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_means_harm_is_refused_in_no_time(name: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="the template cannot be"):
        render(HOSTILE[name], CONTEXT)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ deal | upper }} {{ 7 * 7 }} {{ lines | length }}", "ACME 49 200"),
        ("{% for each in lines[:2] %}{{ loop.index }} {{ each }}{{ ', ' if not loop.last }}{% endfor %}", None),
        ("{% set x = deal ~ '!' %}{{ x | replace('!', '?') }}", "Acme?"),
        ("{{ thing.label }} {{ thing['label'] }}", "seen seen"),
        ("{{ lines[:3] | join('; ') | indent(2) }}", "line 0; line 1; line 2"),
        ("{{ '%' }} {{ 1.25 | round(1) }} {{ deal | truncate(20) }} {{ deal[0] }}", "% 1.2 Acme A"),
    ],
)
def test_what_templates_are_for_is_rendered(template: str, expected: str | None) -> None:
    assert render(template, CONTEXT) == (expected or "1 line 0, 2 line 1")


def test_a_value_is_never_read_as_a_template() -> None:
    assert render("{{ deal }}", {"deal": "{{ 7 * 7 }}{% raw %}"}) == "{{ 7 * 7 }}{% raw %}"


def test_the_limits_leave_room_for_the_longest_page_there_is() -> None:
    steps = tuple("x" * 9 for _ in range(MOST_STEPS))
    assert len(render("{% for each in lines %}{{ each }}{% endfor %}", {"lines": steps})) == 9 * MOST_STEPS


def test_one_rendering_takes_nothing_from_the_next() -> None:
    template = "{% for each in lines %}{% endfor %}ok"
    assert {render(template, {"lines": range(MOST_STEPS)}) for _ in range(3)} == {"ok"}


def test_what_may_not_be_said_is_named_with_its_line() -> None:
    found = list(refusals(ENVIRONMENT.parse("{{ deal }}\n{{ deal.upper() }}\n{% macro m() %}{% endmacro %}")))
    assert sorted((each.line, each.message.split(" is not")[0]) for each in found) == [(2, "a call"), (3, "a macro")]


@pytest.mark.parametrize("doubled", ["[b, b]", "(b, b)", "{'a': b, 'b': b}", "[[b], b]", "b, b"])
def test_no_list_doubles_until_it_fills_the_memory(doubled: str) -> None:
    grown = "{% set b = ['x', 'y'] %}" + f"{{% set b = {doubled} %}}" * 60 + "{{ b|wordcount }}"
    with pytest.raises(ValueError, match="too deep in each other"):
        render(grown, {})


def test_lists_of_lists_are_fine() -> None:
    told = "{% for name, value in [('a', 1), ('b', 2)] %}{{ name }}{{ value }} {% endfor %}{{ 1 in (1, 2) }}"
    assert render(told, {}) == "a1 b2 True"
