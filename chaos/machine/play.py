"""Playing many stories in one world: so many examples of so many steps from one seed, and what came of them.

Not here: the story itself. A failing one is shrunk for a while and printed as a script that can be played again.
"""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.stateful import run_state_machine_as_test

from chaos.machine.judge import Broken
from chaos.machine.office import Office
from chaos.machine.story import HostileWorld, Step, Tally

SHRINK_SECONDS = 45.0
"""How long a failing story may be made shorter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One batch of stories: in which world, on which store, how many, how long, from which seed."""

    world: str
    store: str
    examples: int
    steps: int
    seed: int
    folder: Path
    seconds: float
    """After which no further story is begun, however many were asked for."""

    @property
    def name(self) -> str:
        """For files."""
        return f"{self.world.replace(' ', '-')}-{self.store}-{self.seed}"


class OutOfTime(BaseException):
    """No further story may be begun."""


@dataclass(slots=True)
class Came:
    """What came of a batch."""

    asked: Asked
    examples: int = 0
    steps: int = 0
    passes: int = 0
    judged: int = 0
    most_passes: int = 0
    seconds: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    other: int = 0
    script: str = ""
    wrong: str = ""
    cut_short: bool = False

    @property
    def fell_short(self) -> bool:
        """Whether fewer stories were played than were asked for, though neither the clock nor a failure ended them."""
        return self.examples < self.asked.examples and not (self.cut_short or self.script)


def play(asked: Asked, begin: Callable[[], Office]) -> Came:
    """Play a batch. A failing story ends it."""
    tally, struck = Tally(), Counter[str]()
    offices: list[Office] = []
    failed: list[Exception] = []
    began = time.monotonic()

    def fresh() -> Office:
        if tally.examples and not Story.last and not failed and time.monotonic() - began > asked.seconds:
            came.cut_short = True
            raise OutOfTime
        for old in offices:
            struck.update(old.struck)
            struck.update(old.place.book.struck)
        offices.clear()
        offices.append(begin())
        return offices[0]

    class Story(HostileWorld):
        """One world's stories."""

    Story.begin, Story.tally = staticmethod(fresh), tally
    came = Came(asked)
    with quiet():
        try:
            run_state_machine_as_test(seed(asked.seed)(Story), settings=_settings(asked))
        except OutOfTime:
            pass
        except Exception as error:  # noqa: BLE001  # whatever it was, it is told with its story
            if not came.cut_short:  # Hypothesis finds a story that was never begun inconsistent with the others
                failed.append(error)  # from now on stories are begun however late it is: this one is made shorter
                _fail(came, *_shortened(Story, Story.last, error))
    for old in offices:
        struck.update(old.struck)
        struck.update(old.place.book.struck)
    came.examples, came.steps, came.passes = tally.examples, tally.steps, tally.passes
    came.judged, came.most_passes = tally.judged, tally.most_passes
    came.struck, came.seconds = struck, time.monotonic() - began
    return came


def _settings(asked: Asked) -> settings:
    return settings(
        max_examples=asked.examples,
        stateful_step_count=asked.steps,
        deadline=None,
        database=DirectoryBasedExampleDatabase(asked.folder / "examples"),
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
        report_multiple_bugs=False,
    )


def _shortened(story: type[HostileWorld], script: list[Step], error: Exception) -> tuple[list[Step], Exception]:
    """The story without what it does not need to go wrong in the same way, as far as there is time to find out."""
    until = time.monotonic() + SHRINK_SECONDS
    size = max(1, len(script) // 2)
    while True:
        at = 1  # how it begins stays
        while at < len(script) and time.monotonic() < until:
            tried = script[:at] + script[at + size :]
            same = replayed(story, tried)
            if same is not None and type(same) is type(error):
                script, error = tried, same
            else:
                at += size
        if size == 1 or time.monotonic() >= until:
            return script, error
        size //= 2


def replayed(story: type[HostileWorld], script: Sequence[Step]) -> Exception | None:
    """Play a script again; what went wrong, None when nothing did."""
    random.seed(0)  # as Hypothesis does before each story
    world = story()
    try:
        for name, given in script:
            getattr(world, name)(**given)
        world.teardown()
    except Exception as error:  # noqa: BLE001
        return error
    return None


def _fail(came: Came, script: Sequence[Step], error: Exception) -> None:
    came.lost = error.lost if isinstance(error, Broken) else 0
    came.doubled = error.doubled if isinstance(error, Broken) else 0
    came.wrong = (str(error).splitlines() or [type(error).__name__])[0]
    came.other = 0 if came.lost or came.doubled else 1
    lines = [f"world.{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})" for name, given in script]
    asked = came.asked
    told = [
        f"# {asked.world}, {asked.store}, seed {asked.seed}",
        *lines,
        "world.teardown()",
        f"# {type(error).__name__}:",
    ]
    told += [f"#   {line}" for line in str(error).splitlines()]
    if not isinstance(error, Broken):
        told += traceback.format_exception(error)[-8:]
    came.script = "\n".join(told)
    path = asked.folder / f"failed-{asked.name}.txt"
    path.write_text(came.script, encoding="utf-8")


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines: a story makes thousands."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.configure(**before)
