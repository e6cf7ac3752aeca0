"""Documents: everything they say is in the config, and what changes in the config changes in them, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import pdf_text
import pytest

from connector.documents import compare
from connector.documents.catalogue import DOCUMENTS, MARK, paper
from connector.documents.configuration import MOMENTS
from connector.documents.governing import ACTIVATION, ASKED
from connector.documents.shelf import CHANGES, Format, State, shelved, write
from connector.documents.subject import Subject
from connector.errors import UserError
from connector.handoff.measures.catalogue import MEASURES
from connector.handoff.model import SystemName
from connector.papers import markdown, pdf
from connector.policy.load import load
from connector.policy.model.watch import Moment

ROOT = Path(__file__).parent.parent.parent
SF, HS = SystemName("sf"), SystemName("hs")
VENDORS = {SF: "salesforce", HS: "hubspot"}
CARD, INTAKE, FAQ, GUIDE, SPEC = "quick-reference-card", "intake-checklist", "faq", "configuration-guide", "tech-spec"
METRICS, UPKEEP, TERMS = "metrics-guide", "maintenance-schedule", "definitions"
AES, CSMS, BOSSES = "training-ae", "training-csm", "training-managers"
Texts = Mapping[str, str]


def subject(folder: Path, system: SystemName = SF) -> Subject:
    loaded = load(folder, {system: VENDORS[system]})
    return Subject(system, loaded.policies[system], loaded.maps[system])


def texts(one: Subject) -> Texts:
    """Every document that there is, without its foot."""
    made = {name: paper(document, one) for name, document in DOCUMENTS.items()}
    return {name: compare.content(markdown(each)) for name, each in made.items() if each is not None}


@pytest.fixture(scope="module")
def shipped() -> Subject:
    return subject(ROOT / "mappings")


@pytest.fixture(scope="module")
def before(shipped: Subject) -> Texts:
    return texts(shipped)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))


def edit(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def without(folder: Path, table: str) -> None:
    """Take a table of process.toml out, with all that belongs to it."""
    path = folder / "process.toml"
    kept, skips = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            skips = name == table or name.startswith(f"{table}.")
        if not skips or line.startswith("#"):
            kept.append(line)
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")


# --- what they say ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", [SF, HS])
def test_each_document_of_the_shipped_config_says_something_in_labels(system: SystemName) -> None:
    found = texts(subject(ROOT / "mappings", system))
    assert set(found) == set(DOCUMENTS)
    for name, text in found.items():
        assert text.count("\n") > 15, name
        assert "{{" not in text, name
        assert "None" not in text.replace('"None made"', ""), name
        if name != SPEC:
            for path in ("why_bought", "success_criteria", "champion_stake", "Handoff_", "handoff_"):
                assert path not in text, (name, path)
    assert "Why they bought" in found[CARD]
    assert "Known risks" in found[INTAKE]


def test_the_card_is_one_page_with_advice_and_tasks(shipped: Subject) -> None:
    made = paper(DOCUMENTS[CARD], shipped)
    assert made is not None
    (page,) = pdf_text.pages(pdf(made))
    flat = " ".join(page.split())
    for words in ("Success criteria", "Name a number, a date and who will judge it.", "Send welcome packet", "1 / 1"):
        assert words in flat, words


def ask_for_more(folder: Path, count: int) -> None:
    """So many further required fields, each with its advice."""
    label = "Field of our own"
    fields = "".join(
        f'own_{n} = {{ field = "Own_{n}__c", label = "{label} {n}", type = "text", owner = "human" }}\n'
        for n in range(count)
    )
    why = 'why = "It is needed."'
    entries = "".join(
        f'[[gate.require]]\nfield = "own_{n}"\n{why}\nadvice = "Say it in {n} words."\n\n' for n in range(count)
    )
    for file in ("salesforce.toml", "hubspot.toml"):
        edit(folder, file, "[fields.deal]\n", f"[fields.deal]\n{fields}")
    edit(folder, "process.toml", "[override]\n", f"{entries}[override]\n")


@pytest.mark.parametrize(("more", "advice"), [(4, True), (14, False), (24, False)])
def test_a_card_of_many_fields_says_less_of_each_and_stays_one_page(folder: Path, more: int, *, advice: bool) -> None:
    ask_for_more(folder, more)
    made = paper(DOCUMENTS[CARD], subject(folder))
    assert made is not None
    assert len(pdf_text.pages(pdf(made))) == 1
    text = markdown(made)
    assert "Field of our own 3" in text
    assert ("Say it in 3 words." in text) is advice


def test_a_card_that_no_page_holds_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    ask_for_more(folder, 70)
    with pytest.raises(UserError, match="needs 2 pages and may have one; require fewer fields"):
        shelved(subject(folder), tmp_path / "out", names=(CARD,), formats=(Format.MD, Format.PDF))
    assert not (tmp_path / "out").exists()


def test_labels_and_stages_of_the_crm_come_before_the_mapping_s(shipped: Subject) -> None:
    one = Subject(
        SF, shipped.policy, shipped.map, {"risks": "What may go wrong"}, {"Negotiation/Review": "Talking terms"}
    )
    card = texts(one)[CARD]
    assert "**What may go wrong**" in card
    assert "Known risks" not in card
    assert "From **Talking terms** on" in card


def test_the_sample_in_the_docs_is_what_the_shipped_config_says(before: Texts) -> None:
    """Mend it with `make docs`, which takes the picture anew as well."""
    sample = (ROOT / "docs" / "samples" / f"{CARD}.md").read_text(encoding="utf-8")
    assert compare.content(sample) == before[CARD]


# --- what changes -----------------------------------------------------------------------------------------------------

CHANGES_OF: tuple[tuple[str, str, str, set[str]], ...] = (
    ("process.toml", "max_days = 14", "max_days = 10", {CARD, FAQ, GUIDE, SPEC, AES, BOSSES}),
    ("process.toml", "Known trouble is cheaper than discovered trouble.", "Say it early.", {GUIDE, SPEC, AES}),
    ("process.toml", "escalations_percent = 20", "escalations_percent = 25", {METRICS, UPKEEP, GUIDE, BOSSES}),
    ("process.toml", "\nnps = 50", "\nnps = 40", {METRICS, UPKEEP, GUIDE, BOSSES}),
    ("process.toml", "drop_after_days = 60", "drop_after_days = 75", {METRICS, TERMS}),
    ("process.toml", "few = 8", "few = 9", set()),
    ("process.toml", "iris.novak@", "ines.novak@", {UPKEEP, GUIDE}),
    ("process.toml", "See who is over their cap", "Ask who is over their cap", {UPKEEP}),
    ("process.toml", "hypercare_week4_percent = 70", "hypercare_week4_percent = 75", {UPKEEP, GUIDE}),
    ("process.toml", "cap = 40", "cap = 35", {FAQ, GUIDE, BOSSES}),
    ("process.toml", "rewin_window_days = 30", "rewin_window_days = 45", {FAQ, GUIDE}),
    ("process.toml", 'to = "17:00"', 'to = "18:00"', {FAQ, GUIDE}),
    ("process.toml", "Call the champion today", "Call them today", {FAQ, GUIDE, CSMS}),
    ("process.toml", 'name = "Mid-size customers"', 'name = "The middle"', {FAQ, GUIDE, SPEC}),
    ("process.toml", 'weekly = "mon"', 'weekly = "fri"', {GUIDE}),
    ("process.toml", "first_touch_hours = 24", "first_touch_hours = 12", {INTAKE, METRICS, UPKEEP, TERMS, BOSSES}),
    ("quality.toml", '"asdf", ', "", set()),
    ("quality.toml", "First and last name, role, and how to reach them.", "Both names.", {GUIDE}),
    ("quality.toml", '"none known", ', "", {CARD, FAQ, GUIDE, AES}),
    ("playbook.toml", 'title = "Special terms"', 'title = "Terms"', {INTAKE, GUIDE, SPEC, CSMS}),
    ("playbook.toml", "Send welcome packet: ", "Welcome them: ", {CARD, INTAKE, GUIDE, SPEC, AES}),
    ("product.toml", "minutes = 15", "minutes = 20", {GUIDE}),
    ("salesforce.toml", "Handoff_Risks__c", "Risks_We_Know__c", {SPEC}),
    ("salesforce.toml", 'label = "Deal type"', 'label = "Kind of deal"', {SPEC}),
    ("salesforce.toml", "# revert_to:", "# where to:", set()),
    ("hubspot.toml", "handoff_risks", "risks_we_know", set()),
)


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"), CHANGES_OF, ids=[f"{one[0]}: {one[1]}" for one in CHANGES_OF]
)
def test_a_key_of_the_config_changes_exactly_the_documents_that_speak_of_it(
    folder: Path, before: Texts, file: str, old: str, new: str, changed: set[str]
) -> None:
    edit(folder, file, old, new)
    after = texts(subject(folder))
    assert {name for name, text in after.items() if text != before[name]} == changed


NOT_SAID: tuple[tuple[str, Callable[[Path], None], tuple[str, ...]], ...] = (
    (
        "red flags",
        lambda folder: without(folder, "red_flags"),
        ("Red flags (", "no answer to a mail", "When is a customer"),
    ),
    (
        "commitments",
        lambda folder: without(folder, "commitments"),
        ("Promises", "who keeps it | status", "write down a promise"),
    ),
    ("acceptance", lambda folder: without(folder, "acceptance"), ("to be answered", "sends the handoff back")),
    ("review", lambda folder: without(folder, "review"), ("CS reviews",)),
    (
        "governance",
        lambda folder: without(folder, "governance"),
        ("Owner of the process", "iris.novak", "week-1-completion"),
    ),
    ("tiers", lambda folder: without(folder, "tiers"), ("Tier", "high touch")),
    ("prefill", lambda folder: without(folder, "prefill"), ("taken over", "Taken over from")),
    ("quality", lambda folder: (folder / "quality.toml").unlink(), ("could be said of any", "none known", "Judged")),
)


@pytest.mark.parametrize(("name", "remove", "words"), NOT_SAID, ids=[one[0] for one in NOT_SAID])
def test_what_is_not_set_is_not_said(
    folder: Path, before: Texts, name: str, remove: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    remove(folder)
    after = texts(subject(folder))
    for said in words:
        plain = said.replace("|", "\\|")
        assert any(plain in text for text in before.values()), said
        skipped = {SPEC} if name == "prefill" else set()
        assert not [each for each, text in after.items() if plain in text and each not in skipped], said


def test_where_nothing_is_checked_no_field_is_asked_for(folder: Path) -> None:
    edit(folder, "process.toml", 'mode = "revert"', 'mode = "off"')
    found = texts(subject(folder))
    assert "Closed Won" not in found[CARD]
    assert "exception" not in found[FAQ]
    assert "What a good answer has" not in found[INTAKE]
    assert "Complete at close" not in found[METRICS]


# --- the tables behind them -------------------------------------------------------------------------------------------


def test_every_moment_has_its_words() -> None:
    assert set(MOMENTS) == set(get_args(Moment))


def test_a_target_for_what_is_lost_is_one_for_what_is_kept(before: Texts) -> None:
    assert "| **Kept for 90 days** | at least 95% |" in before[METRICS]


def test_measures_that_rest_are_measures() -> None:
    assert set(ASKED) | ACTIVATION <= set(MEASURES)
    for key, path in ASKED.items():
        carried = MEASURES[key].field
        assert carried in ("", path) or key == "overrides", key


# --- the folder -------------------------------------------------------------------------------------------------------


def lay(one: Subject, out: Path, *names: str) -> dict[str, State]:
    found = shelved(one, out, names=names or tuple(DOCUMENTS), formats=(Format.MD, Format.HTML))
    write(out, found, heading=f"policy {one.policy.version}")
    return {each.document.name: each.state for each in found}


def test_written_once_they_are_the_same_until_the_config_says_otherwise(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert set(lay(subject(folder), out).values()) == {State.NEW}
    log = (out / CHANGES).read_text()
    assert set(lay(subject(folder), out).values()) == {State.SAME}
    assert (out / CHANGES).read_text() == log
    edit(folder, "process.toml", "hypercare_week4_percent = 70", "hypercare_week4_percent = 75")
    one = subject(folder)
    states = lay(one, out)
    assert {name for name, state in states.items() if state is State.CHANGED} == {UPKEEP, GUIDE}
    assert set(states.values()) == {State.CHANGED, State.STAMPED}
    assert f"policy {one.policy.version}" in (out / f"{CARD}.md").read_text()
    told = (out / CHANGES).read_text()
    assert told.endswith(log.partition("\n\n")[2])
    assert told.count("# What changed") == 1
    assert "First weeks after a launch: Week 4: Red flag was “below 70%”, is now “below 75%”" in told


def test_a_file_of_somebody_else_is_left_alone(shipped: Subject, tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_text("# Our own answers\n")
    with pytest.raises(UserError, match=r"faq\.md: was not written by handoff docs"):
        lay(shipped, tmp_path, CARD, FAQ)
    assert not (tmp_path / f"{CARD}.md").exists()


def test_what_somebody_edited_is_not_what_the_config_says(shipped: Subject, tmp_path: Path) -> None:
    lay(shipped, tmp_path, FAQ)
    path = tmp_path / "faq.md"
    path.write_text(path.read_text().replace("15 characters", "20 characters"))
    (found,) = shelved(shipped, tmp_path, names=(FAQ,), formats=(Format.MD,))
    assert found.state is State.CHANGED
    (told,) = found.changes
    assert told.startswith("How do I ask for an exception?: was “")
    assert "20 characters" in told
    assert "15 characters" in told
    assert "-Fill in" in "\n".join(found.diff)


def test_each_foot_names_system_and_policy(shipped: Subject) -> None:
    for document in DOCUMENTS.values():
        made = paper(document, shipped)
        assert made is not None
        assert made.foot == f"{MARK} from the live config of sf, policy {shipped.policy.version}"


# --- changes in words -------------------------------------------------------------------------------------------------

OLD = (
    "# T\n\nFor AEs.\n\n## Fields\n\n| Field | For | Why |\n| --- | --- | --- |\n"
    "| Risks | all | a \\| b |\n| Use | new | c |\n"
)
NEW = OLD.replace("| Risks | all | a \\| b |", "| Risks | new | a \\| d |")


def test_a_row_is_told_by_its_first_cell_and_its_columns() -> None:
    assert compare.changes(OLD, NEW) == ("Fields: Risks: For was “all”, is now “new”; Why was “a | b”, is now “a | d”",)


def test_rows_and_sections_come_and_go() -> None:
    assert compare.changes(OLD, OLD.replace("| Use | new | c |\n", "")) == ("Fields: no longer says “Use, new, c”",)
    assert compare.changes(OLD, OLD + "\n## More\n\n- [ ] x\n") == ("More: new section",)
    assert compare.changes(OLD + "\n## More\n\n- [ ] x\n", OLD) == ("More: section is gone",)
    swapped = OLD.replace("| Use | new | c |\n", "").replace("| Risks |", "| Use | new | c |\n| Risks |")
    assert compare.changes(OLD, swapped) == ("Fields: the order changed",)


def test_the_foot_alone_is_no_change() -> None:
    assert compare.changes(OLD + "\n---\n\npolicy 1\n", OLD + "\n---\n\npolicy 2\n") == ()


def test_long_lines_are_quoted_from_where_they_part() -> None:
    line = "word " * 40
    (told,) = compare.changes(f"# T\n\n{line}one.\n", f"# T\n\n{line}two.\n")
    tail = " ".join(["word"] * 8)
    assert told == f"T: was “…{tail} one.”, is now “…{tail} two.”"
