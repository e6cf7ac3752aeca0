"""The last release and this one over one ledger: side by side, there and back, and killed in the middle of migrating.

Not here: replicas of one release (``replicas``). The code of the last release is run as it was, unpacked from the
history; where the history does not go back so far, a row says that this could not be tried.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from daemons import until

from chaos.sections import Effort
from chaos.table import Row
from chaos.team import Team, last_release, team
from chaos.trial import BOTH, SECTION, Trial
from chaos.weather_postgres import Server
from connector.failpoints import Failpoint
from connector.store import upgrade

WINS = 4
"""On each CRM, at a time."""

STOOD = (
    "select (select count(*) from handoff), (select count(*) from outbox), (select count(*) from audit), "
    "(select version_num from alembic_version)"
)
ADDED = "select version_num from before_version"
"""What the last release has no such table for."""

Part = Callable[[Trial, Team, Path], None]


def _with_the_last(effort: Effort, server: Server | None, number: int, *, trial: Trial, part: Part) -> Row:
    """Play ``part`` where the last release has worked and handed off everything."""
    # Not in the run's folder: what a release brings along is nothing that the run left behind.
    with tempfile.TemporaryDirectory(prefix="handoff-last-") as unpacked:
        old_code = last_release(Path(unpacked))
        if old_code is None:
            return Row(SECTION, trial.what, trial.where, note="the history here does not go back to the last release")
        _play(effort, server, number, trial=trial, part=part, old_code=old_code)
    return trial.row()


def _play(effort: Effort, server: Server | None, number: int, *, trial: Trial, part: Part, old_code: Path) -> None:
    with team(effort.place(f"{SECTION}-{number}"), server) as on:
        # A company's mappings are its own and older than either.
        shutil.rmtree(on.site.folder / "mappings")
        shutil.copytree(old_code / "mappings", on.site.folder / "mappings")
        on.join(code=old_code)
        on.ready()
        on.win(WINS)
        held = [(desk, desk.win(desk.deal(without=("use_case",)), outcome="held")) for desk in on.desks]
        on.wait_whole()
        until(lambda: all(desk.held(deal) for desk, deal in held), "what lacks an answer to be held")
        part(trial, on, old_code)


def a_new_release(effort: Effort, server: Server, number: int) -> Row:
    """The last release works, this one joins it on the migrated schema, the old goes, and what is left is run."""
    # The last release knows of no budget that is shared.
    trial = Trial("rolling upgrade from the last release, its code run beside this one's", sharing=False)
    return _with_the_last(effort, server, number, trial=trial, part=_there)


def _there(trial: Trial, on: Team, old_code: Path) -> None:
    old = on.members[0]
    _migrated(trial, on)
    again = on.join(code=old_code)
    until(lambda: again.daemon.named("daemon.started"), "the last release to start on the new schema")
    new = on.join()
    until(lambda: new.daemon.named("daemon.started"), "this release to start beside it")
    on.win(WINS)
    trial.broken += 1
    refused = on.migrate("--after")
    trial.must(refused.code == 2, f"migrate --after beside the last release: {refused.code} {refused.text[:120]}")
    at = time.monotonic()
    old.daemon.stop()
    again.daemon.stop()
    on.win(WINS)
    on.wait_whole()
    _finished(trial, on)
    on.win(WINS)
    trial.end(on, broken_at=at)
    _verified(trial, on)
    late = on.migrate(code=old_code)
    trial.must(late.code == 2 and "newer version" in late.text, "the last release took a schema it does not know")


def the_way_back(effort: Effort, server: Server, number: int) -> Row:
    """This release works alone on the migrated schema, goes with work in hand, and the last one goes on alone."""
    trial = Trial(
        "rolling upgrade taken back: this release wrote, then the last one's code goes on alone", sharing=False
    )
    return _with_the_last(effort, server, number, trial=trial, part=_back)


def _back(trial: Trial, on: Team, old_code: Path) -> None:
    old = on.members[0]
    _migrated(trial, on)
    new = on.join()
    until(lambda: new.daemon.named("daemon.started"), "this release to start beside the last")
    old.daemon.stop()
    on.win(WINS)
    on.wait_whole()
    trial.must(new.applied() > 0, "this release wrote nothing")
    on.win(WINS)
    _work_in_hand(on)
    new.daemon.stop()
    trial.broken += 1
    at = time.monotonic()
    trial.remarks.append(f"{on.open_rows()} rows left to the last release")
    on.win(WINS)
    back = on.join(code=old_code)
    until(lambda: back.daemon.named("daemon.started"), "the last release to start again")
    on.win(WINS)
    on.wait_whole()
    trial.recovery = time.monotonic() - at
    trial.must(back.applied() > 0, "the last release wrote nothing")
    trial.must((back.daemon.stop(), on.judged()) == (0, (0, 0)), "the last release did not leave it whole")
    # And forward once more: what the last release wrote here is taken up as well.
    forward = on.join()
    until(lambda: forward.daemon.named("daemon.started"), "this release to start once more")
    on.win(WINS)
    on.wait_whole()
    _finished(trial, on)
    trial.end(on, broken_at=at)
    _verified(trial, on)


def killed_migrating_a_file(effort: Effort, _server: Server, number: int) -> Row:
    """On SQLite: all that is owed is one transaction of one start."""
    trial = Trial("kill -9 in the migration of a ledger of the last release, at each step", f"{BOTH}, SQLite")
    return _with_the_last(effort, None, number, trial=trial, part=_killed)


def killed_migrating_a_server(effort: Effort, server: Server, number: int) -> Row:
    """On PostgreSQL: what adds, by a start; what takes away, by ``handoff migrate --after``."""
    trial = Trial("kill -9 in the migration of a ledger of the last release, at each step", f"{BOTH}, PostgreSQL")
    return _with_the_last(effort, server, number, trial=trial, part=_killed)


def _killed(trial: Trial, on: Team, _old_code: Path) -> None:
    old = on.members[0]
    on.win(WINS)
    _work_in_hand(on)
    if on.server is None:
        old.kill()
    else:
        old.daemon.stop()  # one that was killed would lead for a minute more
    on.win(WINS)
    owed = [
        each.chain for each in upgrade.steps() if each.chain is upgrade.BEFORE or each.revision > upgrade.FOUNDATION
    ]
    later = 0 if on.server is None else owed.count(upgrade.AFTER)
    stood = on.ask(STOOD)
    trial.must(stood and stood[0][0] and stood[0][1] and stood[0][2], "the last release left no ledger to migrate")
    for nth in range(1, len(owed) - later + 1):
        on.join(failpoint=f"{Failpoint.IN_MIGRATION}:{nth}").die()
        trial.broken += 1
        trial.must((on.ask(STOOD), on.ask(ADDED)) == (stood, []), f"killed at step {nth}, it left something behind")
    at = time.monotonic()
    new = on.join()
    until(lambda: new.daemon.named("daemon.started"), "this release to start")
    on.win(WINS)
    on.wait_whole()
    for nth in range(1, later + 1):
        ended = on.migrate("--after", failpoint=f"{Failpoint.IN_MIGRATION}:{nth}")
        trial.must(ended.code < 0, f"migrate --after was not killed at step {nth}: {ended.text[:120]}")
        trial.broken += 1
        trial.must(on.ask(STOOD)[0][3] == stood[0][3], f"migrate --after, killed at step {nth}, left something behind")
    if later:
        _finished(trial, on)
    trial.must(trial.broken == len(owed), f"{trial.broken} kills for {len(owed)} steps")
    on.win(WINS)
    trial.end(on, broken_at=at)
    _verified(trial, on)


def _work_in_hand(on: Team) -> None:
    until(lambda: on.open_rows() > 0, "work in hand")


def _migrated(trial: Trial, on: Team) -> None:
    done = on.migrate()
    trial.must(done.code == 0 and "left" in done.text, f"migrate: {done.text[:200]}")


def _finished(trial: Trial, on: Team) -> None:
    ended = on.migrate("--after")
    trial.must(ended.code == 0 and "left" not in ended.text, f"migrate --after: {ended.text[:200]}")


def _verified(trial: Trial, on: Team) -> None:
    told = on.command("trail", "verify")
    trial.must(told.code == 0, f"the trail does not verify: {told.text[:200]}")
