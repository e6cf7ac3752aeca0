"""``handoff forget``: erase what is stored of an account or a person at a customer, and prove it.

Not here: what is erased and how (``store.subject``, ``store.personal``).
"""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from connector import bootstrap
from connector.bootstrap.acts import who
from connector.cli.app import EXIT_FOUND
from connector.cli.export import Words, print_counts, subject_of
from connector.cli.options import DEFAULT_CONFIG, AsJson, Config
from connector.cli.show import console
from connector.store import About, Forgotten, Stored, Subject, failure

FIRST_THERE = (
    "{count} of its handoffs {are} under way ({deals}): the deals are still in the CRM, and each look at one stores it "
    "anew. Delete or anonymise the record in the CRM first; a deal that is gone is given up with the next sweep. To "
    "erase what is stored now all the same: --in-flight."
)
ELSEWHERE = (
    "Not erased, because it is not here: the records in the CRM, backups of this database, exports, and log files. The "
    "daemon's memory forgets at its next restart."
)

NOT_REWRITTEN = (
    "The file could not be written anew ({trouble}), so bytes of what was erased may still be in it: run this again "
    "while the daemon is stopped."
)
RECEIPT = (
    "The receipt is row {done.receipt} of the trail. With the id and this proof you can show whom it was about: "
    "{done.proof} (the row has the sha256 of proof, {about} and id, a line each)."
)


class What(StrEnum):
    """Whom or what to forget."""

    ACCOUNT = "account"
    CONTACT = "contact"


def command(
    what: Annotated[What, typer.Argument(help="account (or company), or contact: a person at a customer.")],
    record: Annotated[str, typer.Argument(metavar="ID", help="Its id in the CRM.")],
    *,
    config: Config = DEFAULT_CONFIG,
    system: Annotated[
        str, typer.Option("--system", "-s", help="The system it is in, by its name in config.toml.")
    ] = "",
    also: Words = None,
    in_flight: Annotated[
        bool,
        typer.Option("--in-flight", help="Also while handoffs of it are under way; what the CRM holds comes back."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase all that is stored of an account or a person at a customer, and look again to prove it.

    Shows first what is stored. Then writes that were sent, values, details of decisions, letters and product events go;
    rows of the audit trail stay in their chain and say nothing any more. Every column of every table is searched again,
    and the trail gets a row that says how much went, and not of whom. On SQLite the file is written anew, so that the
    bytes leave it.

    Names and mail addresses are looked for in every text: give them with --also, for the ledger keeps no list of
    people. What stays: ids of deals and of the tasks and notes made for them, so that nothing is done twice.

    Forget it in the CRM first. What the CRM still holds of a handoff under way is read again.

    For example: `handoff forget contact 003HO0000000007 --system sf --also "Ana Ferreira" --also ana@acme.example`.

    Exit code 1 when something is left (it says where, and why), or when you say no.
    """
    opened = bootstrap.open_store_only(config, mode="tool")
    store = opened.store
    subject = subject_of(opened, system, About(what.value), record, also or [])
    stored = store.stored(subject)
    if not as_json:
        print_counts(stored, subject)
    if stored.in_flight and not in_flight:
        _refuse(stored, as_json=as_json)
    if not stored.counts or not (yes or _agreed()):
        if as_json:
            sys.stdout.write(json.dumps({"stored": stored.counts, "forgotten": None}) + "\n")
        raise typer.Exit(0 if not stored.counts else EXIT_FOUND)
    done = store.forget(subject, by=who())
    trouble = ""
    try:
        store.compact()
    except Exception as error:
        trouble = failure(error)
        if not trouble:
            raise
    _tell(subject, done, stored, trouble=trouble, as_json=as_json)
    if done.left or trouble:
        raise typer.Exit(EXIT_FOUND)


def _agreed() -> bool:
    return typer.confirm("Erase this? It cannot be undone", default=False, err=True)


def _refuse(stored: Stored, *, as_json: bool) -> None:
    count = len(stored.in_flight)
    words = FIRST_THERE.format(count=count, are="is" if count == 1 else "are", deals=", ".join(stored.in_flight[:5]))
    if as_json:
        data = {"stored": stored.counts, "in_flight": stored.in_flight, "forgotten": None, "why": words}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        console().print(words, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_FOUND)


def _tell(subject: Subject, done: Forgotten, stored: Stored, *, trouble: str, as_json: bool) -> None:
    if as_json:
        data = {
            "stored": stored.counts,
            "forgotten": done.counts,
            "receipt": done.receipt,
            "proof": done.proof,
            "left": done.left,
            "not_compacted": trouble or None,
            "elsewhere": ELSEWHERE,
        }
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return
    out = console()
    for table, count in done.counts.items():
        out.print(f"  {table}: {count} erased", highlight=False)
    if done.left:
        out.print("A second look still finds it:")
        for place, count in done.left.items():
            out.print(f"  {place}: {count}", highlight=False)
        out.print("Writes under way are kept until it is known what became of them; run this again in some minutes.")
    else:
        out.print("A second look through every column of text finds nothing.")
    if trouble:
        out.print(NOT_REWRITTEN.format(trouble=trouble), markup=False, highlight=False, soft_wrap=True)
    out.print(RECEIPT.format(done=done, about=subject.about.value), highlight=False, soft_wrap=True)
    out.print(ELSEWHERE, highlight=False, soft_wrap=True)
