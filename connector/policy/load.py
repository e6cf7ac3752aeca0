"""From the files an admin edits to frozen policies, or to every mistake in them at once.

Not here: what is a mistake (every module beside this one) and whether the CRM agrees (``check``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from connector.errors import Problem, UserError
from connector.handoff.model import SystemName
from connector.handoff.productbook import ProductPolicy
from connector.handoff.rulebook.policy import Policy
from connector.handoff.rulebook.quality import NO_QUALITY, QualityPolicy
from connector.handoff.rules import changes, redflags
from connector.handoff.rules.late import LATE_NAMES, MOMENT
from connector.handoff.rules.stuck import RESCUE_NAMES
from connector.handoff.summary import SUMMARY_NAMES
from connector.handoff.text import NAMES
from connector.policy import build, calendars
from connector.policy.closing import TASK_TEXTS
from connector.policy.conditions import Scope, Vocabulary
from connector.policy.consequences import Around
from connector.policy.crmmap import CrmMap, MapFile
from connector.policy.model.playbooks import MailSpec
from connector.policy.model.watch import OWN_WORDS
from connector.policy.pilot import AT_MODE, nothing_taken_in
from connector.policy.playbooks import Ground, WorkingDay
from connector.policy.prefills import not_fillable
from connector.policy.product import offered, product, with_offered
from connector.policy.quality import quality
from connector.policy.sources import Sources, read_sources
from connector.policy.templates import Words, read_template
from connector.settings import Mode, Settings, read_settings
from connector.settings.spans import read

NOTICE_FILE = "templates/{moment}.txt.j2"
OPTIONAL: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(MOMENT.values(), LATE_NAMES),
    redflags.MOMENT: redflags.FLAG_NAMES,
    changes.MOMENT: changes.CHANGES_NAMES,
}
"""Messages whose templates may be missing, and what those may name besides what all may."""
USUAL_DAY = WorkingDay(hours=Decimal(8), stretch=480)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What each system is handed: the policy the core decides by, and the map its adapter translates by.

    ``sends`` are the places of the templates that go out by themselves, for whoever finds that they cannot.
    """

    policies: Mapping[SystemName, Policy]
    maps: Mapping[SystemName, CrmMap]
    sends: tuple[Problem, ...] = ()


def load(mappings: Path, systems: Mapping[SystemName, str | MapFile]) -> Loaded:
    """Load a folder of mapping files for systems of these vendors (``salesforce``, ``hubspot``), or of these files.

    Raises UserError with every problem of every file.
    """
    loaded, problems = _load(mappings, systems)
    if problems or loaded is None:
        raise UserError(problems)
    return loaded


def load_all(config: Path) -> tuple[Settings, Loaded]:
    """Load config.toml and the mappings it names. Raises UserError with every problem of all of them."""
    settings, found, folder, systems = read_settings(config)
    problems = list(found)
    loaded = None
    if folder is not None:
        loaded, more = _load(folder, {SystemName(name): MapFile(*one) for name, one in systems.items()})
        problems += more
    if settings is not None and loaded is not None and settings.daemon.mode is Mode.PILOT:
        empty = {wrong for each in loaded.policies.values() if (wrong := nothing_taken_in(each.pilot))}
        problems += [read(config).problem(AT_MODE, wrong) for wrong in empty]
    if problems or settings is None or loaded is None:
        raise UserError(_once(problems))
    return settings, loaded


def load_mappings(config: Path) -> Loaded:
    """Load only the mappings that a config.toml names, for its systems: no login has to be at hand.

    Raises UserError with every problem of the mappings, or of a config.toml that names no system.
    """
    _, found, folder, systems = read_settings(config)
    if folder is None or not systems:
        raise UserError(found)
    return load(folder, {SystemName(name): MapFile(*one) for name, one in systems.items()})


def _load(folder: Path, systems: Mapping[SystemName, str | MapFile]) -> tuple[Loaded | None, list[Problem]]:
    problems: list[Problem] = []
    files = {name: MapFile(one) if isinstance(one, str) else one for name, one in systems.items()}
    sources = read_sources(folder, sorted(set(files.values())), problems)
    words = build.vocabulary(sources, problems)
    rules = _rules(sources, words, problems)
    around = with_offered(build.around(rules, _vendors(sources)), offered(sources.product.spec))
    ground = Ground(_working_day(rules), _words(sources, words, NAMES), around)
    book = _book(sources, words, problems, ground=ground)
    if book is not None:
        problems += [problem for vendor in sources.maps.values() for problem in build.missing_for(book, vendor)]
        problems += _nowhere_to_go(sources)
    if rules is not None:
        problems += [each for vendor in sources.maps.values() for each in not_fillable(rules.prefills, vendor)]
    judged = _quality(sources, words, problems)
    counted = _product(sources, words, problems, around=around)
    if problems or rules is None or book is None:
        return None, _once(problems)
    policies = {file: build.policy(rules, book, one, judged, counted) for file, one in sources.maps.items()}
    maps = {name: sources.maps[file].map for name, file in files.items()}
    return Loaded(
        {name: policies[file] for name, file in files.items()}, maps, tuple(place for _, place in _sends(sources))
    ), []


UNSENT = (
    "this mail goes out by itself, and config.toml has no [customer_mail] to send it with; add it below "
    "[notify.email], or take send = true out: until then it stays a draft for the person"
)


def unsendable(settings: Settings, loaded: Loaded) -> tuple[Problem, ...]:
    """Templates that are to go out by themselves where there is no mail server for it: they stay drafts."""
    return loaded.sends if settings.customer_mail is None else ()


def _sends(sources: Sources) -> Iterator[tuple[MailSpec, Problem]]:
    """Templates that go out by themselves, each with its place."""
    first = sources.playbook
    files = [(first.source, first.spec.playbooks if first.spec else ())]
    files += [(one.source, one.spec.playbooks if one.spec else ()) for one in sources.more]
    for source, playbooks in files:
        for index, playbook in enumerate(playbooks):
            for number, task in enumerate(playbook.tasks):
                if task.mail is not None and task.mail.send and source is not None:
                    at = ("playbooks", index, "tasks", number, "mail", "send")
                    yield task.mail, source.problem(at, UNSENT)


def _nowhere_to_go(sources: Sources) -> Iterator[Problem]:
    """Templates that go out by themselves, where a mapping reads nobody's address."""
    unread = sorted(vendor.file for vendor in sources.maps.values() if vendor.map.contacts is None)
    for mail, place in _sends(sources) if unread else ():
        if mail.to_field is None:
            message = (
                f"nobody's address is read: add [contacts] to {' and '.join(Path(each).name for each in unread)}, "
            )
            message += "or name the field that holds the address with to_field"
            yield dataclasses.replace(place, message=message)


def _rules(sources: Sources, words: Vocabulary, problems: list[Problem]) -> build.Rules | None:
    file = sources.process
    if file.source is None or file.spec is None:
        return None
    notices: dict[str, str] = {
        moment: read_template(
            sources.folder / NOTICE_FILE.format(moment=moment), words=_words(sources, words, NAMES), problems=problems
        )
        for moment in file.spec.notify.moments
        if moment not in OPTIONAL
        and (moment not in OWN_WORDS or (sources.folder / NOTICE_FILE.format(moment=moment)).is_file())
    }
    for name, more in OPTIONAL.items():
        path = sources.folder / NOTICE_FILE.format(moment=name)
        if path.is_file():  # without one the message has the connector's own words
            known = _words(sources, words, NAMES | more)
            notices[name] = read_template(path, words=known, problems=problems)
    texts: dict[str, str] = {}
    for name, more in TASK_TEXTS.items():
        path = sources.folder / NOTICE_FILE.format(moment=name)
        if path.is_file():
            texts[name] = read_template(path, words=_words(sources, words, NAMES | more), problems=problems)
    scope = Scope(file.source, words, problems)
    return build.rules(file.spec, scope=scope, notices=notices, vendors=_vendors(sources), texts=texts)


def _vendors(sources: Sources) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.vendor for each in sources.maps))


def _quality(sources: Sources, words: Vocabulary, problems: list[Problem]) -> QualityPolicy:
    """How answers are judged; without a quality.toml, as in mappings from before there was one, they are not."""
    file = sources.quality
    if file.source is None or file.spec is None:
        return NO_QUALITY
    return quality(file.spec, scope=Scope(file.source, words, problems))


def _product(sources: Sources, words: Vocabulary, problems: list[Problem], *, around: Around) -> ProductPolicy | None:
    """What is made of product events; without a product.toml nothing is."""
    file = sources.product
    if file.source is None or file.spec is None:
        return None
    scope = Scope(file.source, words, problems)
    return product(file.spec, scope=scope, words=_words(sources, words, NAMES | RESCUE_NAMES), around=around)


def _working_day(rules: build.Rules | None) -> WorkingDay:
    if rules is None:
        return USUAL_DAY
    everybody = (rules.calendar, *(one.calendar for one in rules.calendars))
    stretch = min(calendars.longest_stretch(one) for one in everybody)
    return WorkingDay(calendars.hours_a_day(rules.calendar), stretch)


def _book(sources: Sources, words: Vocabulary, problems: list[Problem], *, ground: Ground) -> build.Book | None:
    file = sources.playbook
    if file.source is None or file.spec is None:
        return None
    template = read_template(
        sources.folder / file.spec.summary.template, words=_words(sources, words, SUMMARY_NAMES), problems=problems
    )
    further = [(one.spec, Scope(one.source, words, problems)) for one in sources.more if one.spec and one.source]
    before = build.more_playbooks(further, ground)
    scope = Scope(file.source, words, problems)
    return build.book(file.spec, scope=scope, ground=ground, template=template, before=before)


def _words(sources: Sources, words: Vocabulary, names: frozenset[str]) -> Words:
    labels = {
        field.label
        for vendor in sources.maps.values()
        for path, field in vendor.map.fields.items()
        if path in words.types
    }
    fields = frozenset(words.types) | words.doubtful | labels
    return Words(names, fields, open_ended=words.unreadable or bool(words.doubtful))


def _once(problems: list[Problem]) -> list[Problem]:
    return sorted(dict.fromkeys(problems), key=lambda problem: _order(problem.where))


def _order(where: str) -> tuple[str, int, int]:
    file, _, rest = where.partition(":")
    line, _, column = rest.partition(":")
    return file, int(line) if line.isdigit() else 0, int(column) if column.isdigit() else 0
