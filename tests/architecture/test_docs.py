"""The documentation says what the program is: links lead somewhere, nothing the program names is left out, and the
tables of fields are those of the shipped mappings.

Not here: whether a sentence is true (whoever writes it runs it first). The tables between ``<!-- … -->`` marks are
written by ``python tests/architecture/test_docs.py`` and compared here.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from connector.cli.app import COMMANDS
from connector.errors import ADVICE
from connector.failpoints import Failpoint
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.measures.reporting import REPORTS, WHO
from connector.handoff.model import Kind
from connector.handoff.rules import RULES
from connector.handoff.rules.notify import MOMENTS
from connector.logs import LOG_INTERRUPTED
from connector.policy.known import CHOICES, KNOWN
from connector.settings.file import ConfigSpec
from connector.store.states import TRANSITIONS, State
from connector.telemetry import Telemetry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = tuple(sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]))
ADMIN, OPERATOR = DOCS / "admin-guide.md", DOCS / "operator-guide.md"
ARCHITECTURE, COMMANDS_PAGE, FACTS = DOCS / "architecture.md", DOCS / "commands.md", DOCS / "crm-facts.md"

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
EVENT = re.compile(r"^[a-z]+\.[a-z_]+$")
FACT = re.compile(r"facts: ?(Salesforce|HubSpot) §([0-9A-Z]+[a-f]?(?:\.[0-9]+)?)")


def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page(path))


def anchor(heading: str) -> str:
    """A heading's anchor as code hosts make it."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def links() -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for target in LINK.findall(prose(path)):
            if not re.match(r"[a-z]+:", target):
                yield path, target


# links


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    dead = []
    for path, target in links():
        file, _, place = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (
            place and found.suffix == ".md" and place not in {anchor(h) for h in HEADING.findall(prose(found))}
        ):
            dead.append(f"{path.relative_to(ROOT)}: {target}")
    assert dead == []


def test_every_page_is_at_most_two_clicks_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    for _ in range(2):
        reached |= {
            (path.parent / target.partition("#")[0]).resolve()
            for path, target in links()
            if path in reached and target.partition("#")[0].endswith(".md")
        }
    assert [str(path.relative_to(ROOT)) for path in PAGES if path not in reached] == []


def test_the_pictures_of_the_readme_exist() -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page(ROOT / "README.md"))
    assert len(shown) >= 3
    assert [target for target in shown if not (ROOT / target).is_file()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_finished(path: Path) -> None:
    assert not re.search(r"\b(TODO|FIXME|TBD|XXX)\b", page(path))
    assert page(path).endswith("\n")
    assert page(path).count("```") % 2 == 0


# what the program names


def test_every_command_and_each_of_its_options_is_described() -> None:
    text = page(COMMANDS_PAGE)
    headings = {heading.strip("`") for heading in HEADING.findall(text)}
    assert [name for name in COMMANDS if f"handoff {name}" not in headings] == []
    missing = []
    for name, section in sections(text).items():
        if name.removeprefix("handoff ") in COMMANDS:
            command = name.removeprefix("handoff ")
            missing += [f"{command} {option}" for option in options(command) if f"`{option}" not in section]
    assert missing == []


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {title.strip().strip("`"): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def options(command: str) -> list[str]:
    import typer

    from connector.cli.app import build

    group = typer.main.get_command(build())
    found = group.commands[command]  # type: ignore[attr-defined]
    return [each for parameter in found.params for each in parameter.opts if each.startswith("--") and each != "--help"]


def config_keys(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    """Each key with the table it stands in: ("daemon", "poll_seconds")."""
    for name, field in model.model_fields.items():
        inner = next((each for each in _models(field.annotation)), None)
        if inner is None:
            yield table, name
        else:
            yield from config_keys(inner, f"{table}.{name}" if table else name)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)


def test_every_key_of_the_config_file_is_described_under_its_table() -> None:
    reference = sections(page(OPERATOR))["Configuration reference"]
    by_table = {
        title.strip("`[] "): body
        for title, body in zip(
            *(re.split(r"^### (.+)$", reference, flags=re.MULTILINE)[start::2] for start in (1, 2)), strict=True
        )
    }
    missing = [
        f"[{table}] {key}"
        for table, key in config_keys(ConfigSpec)
        if f"| `{key}` |" not in by_table.get(table or "Top of the file", "")
    ]
    assert missing == []


def test_every_metric_is_described() -> None:
    families = [each for each in Telemetry().registry.collect() if each.name.startswith("handoff_")]
    names = [f"{each.name}_total" if each.type == "counter" else each.name for each in families]
    assert len(names) > 10
    assert [name for name in names if f"| `{name}` |" not in page(OPERATOR)] == []


def log_events() -> dict[str, str]:
    """Every event constant of the modules that log: event -> constant."""
    found = {}
    for path in (ROOT / "connector").rglob("*.py"):
        tree = ast.parse(page(path))
        logged = {
            call.args[0].id
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in {"debug", "info", "warning", "error", "exception"}
            and call.args
            and isinstance(call.args[0], ast.Name)
        }
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(event))) if name in logged:
                    assert EVENT.match(event), f"{path.name}: {name} is not noun.verb"
                    found[event] = name
    return found


def test_every_log_event_is_described() -> None:
    events = log_events()
    assert len(events) > 15
    assert [event for event in events if f"| `{event}` |" not in page(OPERATOR)] == []
    described = set(
        re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (?:debug|info|warning|error)", page(OPERATOR), flags=re.MULTILINE)
    )
    assert described - set(events) == {LOG_INTERRUPTED}, "which the log writes itself, once it can be written again"


def test_every_rule_and_its_file_is_named() -> None:
    text = page(ARCHITECTURE)
    files = {f"`{Path(rule.__code__.co_filename).relative_to(ROOT)}`" for rule in RULES}
    assert [file for file in files if file not in text] == []


def test_every_failpoint_and_every_fault_is_named() -> None:
    text = page(ARCHITECTURE)
    assert [point.value for point in Failpoint if f"`{point.value}`" not in text] == []
    rows = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", text, flags=re.MULTILINE))
    assert {code.value: advice.value for code, advice in ADVICE.items()} == {
        code: advice for code, advice in rows.items() if code in {each.value for each in ADVICE}
    }


def test_every_moment_that_is_told_is_described() -> None:
    assert [moment.name for moment in MOMENTS if f"`{moment.name}`" not in page(ADMIN)] == []


def test_the_outbox_diagram_is_the_table_of_transitions() -> None:
    diagram = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", page(ARCHITECTURE), re.DOTALL)
    assert diagram is not None
    drawn = set(re.findall(r"^\s*(\w+) --> (\w+)", diagram.group(1), flags=re.MULTILINE))
    assert drawn == {(start.value, end.value) for start, ends in TRANSITIONS.items() for end in ends}
    finals = set(re.findall(r"^\s*(\w+) --> \[\*\]", diagram.group(1), flags=re.MULTILINE))
    assert finals == {state.value for state in State if not TRANSITIONS[state]}


def test_every_file_the_walk_names_exists() -> None:
    named = set(re.findall(r"`((?:connector|mappings|tests|docs)/[\w./<>-]+)`", "".join(map(page, PAGES))))
    assert len(named) > 20
    assert [each for each in sorted(named) if "<" not in each and not (ROOT / each).exists()] == []


def test_every_fact_the_code_leans_on_can_be_looked_up() -> None:
    headings = [heading.split(":")[0] for heading in HEADING.findall(page(FACTS))]
    cited = {
        f"{vendor} §{place.rstrip('.')}"
        for path in (ROOT / "connector").rglob("*.py")
        for vendor, place in FACT.findall(page(path))
    }
    assert len(cited) > 15
    assert sorted(cited - set(headings)) == []


# the tables of fields

VENDORS = ("salesforce", "hubspot")
SALESFORCE_TYPES = {
    "text": "Text (255)",
    "long_text": "Long Text Area ({chars})",
    "number": "Number (16, 2)",
    "bool": "Checkbox",
    "date": "Date",
    "datetime": "Date/Time",
    "choice": "Picklist",
    "person": "Lookup (User)",
}
HUBSPOT_TYPES = {
    "text": "Single-line text",
    "long_text": "Multi-line text",
    "number": "Number",
    "bool": "Single checkbox",
    "date": "Date picker",
    "datetime": "Date and time picker",
    "choice": "Dropdown select",
    "person": "HubSpot user",
}
OBJECT_NAMES = {
    ("salesforce", "deal"): "Opportunity",
    ("salesforce", "account"): "Account",
    ("salesforce", "task"): "Activity",
    ("salesforce", "meeting"): "Activity",
    ("hubspot", "deal"): "Deal",
    ("hubspot", "account"): "Company",
    ("hubspot", "task"): "Task",
    ("hubspot", "note"): "Note",
    ("hubspot", "meeting"): "Meeting",
}
WRITTEN_BY = {
    "human": "people",
    "create_only": "the connector, once",
    "fill_if_empty": "people; the connector once, while empty",
}
LONG_TEXT = 32_768
"""The length a new Salesforce long text area is offered with."""


def field_table(vendor: str) -> str:
    """The fields a CRM does not have by itself, as the shipped mapping names them."""
    mapping = tomllib.loads(page(ROOT / "mappings" / f"{vendor}.toml"))
    lines = ["| Object | Field | Label | Type to choose | Written by |", "|---|---|---|---|---|"]
    for kind, fields in mapping["fields"].items():
        for name, field in fields.items():
            if not _of_ours(vendor, field["field"]):
                continue
            row = (
                OBJECT_NAMES[vendor, kind],
                f"`{field['field']}`",
                field["label"],
                _type(vendor, kind, name, field),
                WRITTEN_BY.get(field["owner"], "the connector"),
            )
            line = f"| {' | '.join(row)} |"
            if line not in lines:
                lines.append(line)
    return "\n".join(lines)


def _of_ours(vendor: str, field: str) -> bool:
    return field.endswith("__c") if vendor == "salesforce" else field.startswith("handoff_")


def _type(vendor: str, kind: str, name: str, field: dict[str, Any]) -> str:
    if name == "key":
        return "Text (255), External ID, Unique" if vendor == "salesforce" else "Single-line text, **unique values**"
    types = SALESFORCE_TYPES if vendor == "salesforce" else HUBSPOT_TYPES
    words = types[field["type"]].format(chars=f"{max(field.get('max_chars', 0), LONG_TEXT):,}")
    choices = CHOICES.get(name if kind == "deal" else f"{kind}.{name}", ()) if field["type"] == "choice" else ()
    return f"{words}: {', '.join(choices)}" if choices else words


def between(vendor: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- fields:{vendor} -->\n)([^<]*?)(\n<!-- end -->)")


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_table_of_fields_to_create_is_that_of_the_mapping(vendor: str) -> None:
    found = between(vendor).search(page(ADMIN))
    assert found is not None
    assert found.group(2) == field_table(vendor), "run: python tests/architecture/test_docs.py"


FIGURES = re.compile(r"(<!-- figures -->\n)([^<]*?)(<!-- end -->)")


def figure_table() -> str:
    """The measures that a field of the CRM carries, with the report that shows each."""
    lines = ["| Figure | Field | Written by | Report by | `[targets]` |", "|---|---|---|---|---|"]
    by = {one.measure: WHO[one.by] for one in REPORTS}
    for measure in MEASURES.values():
        if not measure.field:
            continue
        kind, _, name = measure.field.rpartition(".")
        written = KNOWN[Kind(kind) if kind else Kind.DEAL][name].written
        who = "the connector" if written else "people, or a tool of yours"
        aims = " / ".join(f"`{key}`" for key in dict.fromkeys((measure.target, measure.alarm)) if key)
        row = (measure.title, f"`{measure.field}`", who, by.get(measure.key, "see the one above"), aims or "–")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_figures_is_that_of_the_measures() -> None:
    found = FIGURES.search(page(ADMIN))
    assert found is not None
    assert found.group(2) == figure_table(), "run: python tests/architecture/test_docs.py"


def write_tables() -> None:
    text = FIGURES.sub(rf"\g<1>{figure_table()}\g<3>", page(ADMIN))
    for vendor in VENDORS:
        text = between(vendor).sub(rf"\g<1>{field_table(vendor)}\g<3>", text)
    ADMIN.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
