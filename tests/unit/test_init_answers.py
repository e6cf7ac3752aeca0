"""What `handoff init` asks, what an empty answer means, and how answers stand in a file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connector.cli.init_answers import Answers, ask_people, ask_systems, config_text, from_file, systems_of
from connector.errors import UserError


class Sitting:
    """Somebody at the terminal: answers by a word of the question, Enter to everything else."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, words: str, usual: str) -> str:
        self.asked.append(words)
        return next((answer for word, answer in self.answers.items() if word in words), usual)


def test_a_person_names_crms_and_enter_takes_what_is_usual() -> None:
    known = Answers()
    ask_systems(known, Sitting(Which="Salesforce, hubspot", own="https://acme.my.salesforce.com"))
    assert tomllib.loads(config_text(known.systems))["systems"] == [
        {
            "name": "sf",
            "vendor": "salesforce",
            "base_url": "https://acme.my.salesforce.com",
            "client_id_env": "SF_CLIENT_ID",
            "client_secret_env": "SF_CLIENT_SECRET",
        },
        {"name": "hs", "vendor": "hubspot", "access_token_env": "HS_ACCESS_TOKEN"},
    ]


def test_a_slip_is_asked_again_and_both_are_both() -> None:
    said = iter(["", "sales force", "both"])
    asked: list[str] = []

    def person(words: str, usual: str) -> str:
        if "salesforce, hubspot" not in words:
            return usual
        asked.append(words)
        return next(said)

    known = Answers()
    ask_systems(known, person)
    assert [one["vendor"] for one in known.systems] == ["salesforce", "hubspot"]
    assert len(asked) == 3


def test_what_the_crm_seems_to_name_stays_a_guess_unless_somebody_says_otherwise() -> None:
    known = Answers(fallback="kim@acme.example")
    person = Sitting(gaps="Zoe@acme.example", zone="Europe/Paris", holidays="fr")
    ask_people(known, person, csms=("ana@acme.example", "ben@acme.example"), approver="boss@acme.example")
    assert known == Answers(
        approvers=("zoe@acme.example",),
        fallback="kim@acme.example",
        csms=(),  # taken with Enter
        time_zone="Europe/Paris",
        country="FR",
    )
    assert not any("nobody else" in words for words in person.asked), "what is known is not asked again"


def test_a_second_org_of_a_vendor_has_a_name_of_its_own() -> None:
    made = systems_of(["salesforce", "Salesforce"], ["https://one.example"])
    assert [one["name"] for one in made] == ["sf", "sf2"]
    assert "base_url" not in made[1]


def test_a_file_of_answers_is_read_and_its_mistakes_have_places(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('approvers = ["Boss@Acme.example"]\n[pools]\nmid = ["Ana@acme.example"]\n')
    known = from_file(path)
    assert (known.approvers, known.pools) == (("boss@acme.example",), {"mid": ("ana@acme.example",)})
    path.write_text('time_zone = "Berlin"\n[pools]\ngold = []\n[[systems]]\nvendor = "zoho"\n')
    with pytest.raises(UserError) as told:
        from_file(path)
    places = {problem.where.rpartition("answers.toml:")[2].partition(":")[0] for problem in told.value.problems}
    assert {"1", "5"} <= places, told.value.problems
