"""Rules of ours that an earlier policy asked for and this one does not: left alone they would go on stopping wins.

Not here: rules the policy still asks for (``compare``), and anything else that fell out of the files: a field, a right
or a report harms nobody, and what people put into it stays. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.crm.installer import Do
from connector.crm.salesforce.provision.component import Component
from connector.crm.salesforce.provision.items import Item
from connector.crm.salesforce.provision.marks import MARKED, has_mark, is_untouched
from connector.crm.salesforce.provision.org import OrgState

WHY = "The files no longer ask for this before a win, so it would stop deals that the connector lets through."


def stale_rules(wanted: frozenset[str], org: OrgState) -> Iterator[Item]:
    """Lines for the rules that bear our mark and are not among the ``wanted`` full names.

    One that nobody touched is taken out. One that somebody edited is theirs: it is named and stays.
    """
    for rule in org.of(MARKED):
        if rule.name in wanted or not has_mark(rule):
            continue
        if is_untouched(rule):
            yield Item(Do.REMOVE, MARKED, rule.name, _says(rule), WHY)
        elif rule.text("active") == "true":
            detail = f"was edited by somebody, so it stays; delete it in Setup if it should go. It says: {_says(rule)}"
            yield Item(Do.CONFLICT, MARKED, rule.name, detail, WHY)


def _says(rule: Component) -> str:
    return f'"{rule.text("errorMessage")}"'
