"""The executor of a lane: the runs that call one connector, sent side by side, settled in sets.

Two transactions and no open one between them: `intents` commits what is about to be done, `sending`
does it, `settling` commits what came of it. One driver works a lane in each process; what may be
under way at once is counted in PostgreSQL (`rounds`), so more processes make no more calls.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import InterfaceError, OperationalError, connection, transaction

from automations.connectors import accounts
from automations.connectors.accounts import NotReady
from automations.engine import doubts, outages, rounds, settling, wake
from automations.engine.doubts import Looked
from automations.engine.rounds import Begun
from automations.engine.sending import Sent, send

logger = logging.getLogger(__name__)

# How long a driver waits for calls before it looks for more to begin.
LOOK_SECONDS = 0.25
# Answers that come this close together are settled as one set: a transaction for each would cost
# more than the calls.
GATHER_SECONDS = 0.02
# A call that takes longer leaves room for others to begin.
SLOW_SECONDS = 0.5
# A longer pause is slept elsewhere: the sweep wakes the lane again.
PATIENCE_SECONDS = 2.0
TRIES = 5

_seats: dict[str, bool] = {}
_seating = threading.Lock()
_stopping = threading.Event()
# Threads that keep their connection to PostgreSQL, and write while their drivers go on.
_writers = ThreadPoolExecutor(16, "settle")


def stop() -> None:
    """Begin no more calls in this process: it is about to end. What is under way is settled."""
    _stopping.set()


def call_lane(key: str) -> int:
    """Work a lane until nothing is left to begin; answers how many calls were made.

    Where this process works on it already, that driver is told to look again.
    """
    wake.arrived("call", key)
    with _seating:
        if key in _seats:
            _seats[key] = True
            return 0
        _seats[key] = False
    made, again = 0, True
    while again:
        try:
            made += _Driver(key).work()
        finally:
            with _seating:
                again = _seats.pop(key) and not _stopping.is_set()
                if again:
                    _seats[key] = False
    return made


class _Driver:
    def __init__(self, key: str) -> None:
        self.key = key
        self.cap = 1
        self.pool: ThreadPoolExecutor | None = None
        # Each call under way, and when it was begun.
        self.flying: dict[Future[Sent | Looked], float] = {}
        self.made = 0
        # Answers being written while more is begun.
        self.writing: Future[None] | None = None

    def work(self) -> int:
        try:
            while not _stopping.is_set():
                # Half of what may be under way at once is begun while the other half is, so that
                # nobody waits for the transactions of the others.
                begun = Begun() if self._is_busy() else self._begin()
                self._fly(begun)
                if begun.more and not self._is_busy():
                    continue
                if self.flying:
                    self._land()
                elif begun.pause is None or begun.pause > PATIENCE_SECONDS:
                    break
                else:
                    time.sleep(begun.pause)
        finally:
            # Whatever is under way is waited for: its answer has to be written.
            while self.flying:
                self._land()
            self._written()
            if self.pool is not None:
                self.pool.shutdown()
        return self.made

    def _is_busy(self) -> bool:
        """Whether more than half are on their way; those that hang keep nobody from beginning."""
        recent = time.monotonic() - SLOW_SECONDS
        return 2 * sum(1 for began in self.flying.values() if began > recent) > self.cap

    def _begin(self) -> Begun:
        try:
            account = accounts.account_of(self.key)
            self.cap = account.scope.cap
            return rounds.begin(account)
        except NotReady as error:
            with transaction.atomic():
                outages.park_due(self.key, str(error))
        except (OperationalError, InterfaceError):
            logger.exception("The database refused to begin calls of %s", self.key)
            if not connection.is_usable():
                connection.close()
        return Begun()

    def _fly(self, begun: Begun) -> None:
        if begun.sendings or begun.looks:
            if self.pool is None:
                self.pool = ThreadPoolExecutor(self.cap, f"call-{self.key}")
            now = time.monotonic()
            self.flying |= {self.pool.submit(send, each): now for each in begun.sendings}
            self.flying |= {self.pool.submit(doubts.look, each): now for each in begun.looks}
            self.made += len(begun.sendings) + len(begun.looks)

    def _land(self) -> None:
        over, others = wait(self.flying, LOOK_SECONDS, FIRST_COMPLETED)
        if over and others:
            over, _ = wait(self.flying, GATHER_SECONDS)
        for call in over:
            del self.flying[call]
        self._written()
        answers = [call.result() for call in over]
        if self.flying:
            self.writing = _writers.submit(_write, answers)
        else:
            _write(answers)

    def _written(self) -> None:
        if self.writing is not None:
            self.writing.result()
            self.writing = None


def _write(answers: list[Sent | Looked]) -> None:
    _settle([each for each in answers if isinstance(each, Sent)])
    for each in answers:
        if isinstance(each, Looked):
            _settle_look(each)


def _settle(over: list[Sent]) -> None:
    """Write answers; what can't be written stays under way until its lease ends, then in doubt."""
    if not over:
        return
    for attempt in range(TRIES):
        try:
            settling.settle(over[0].sending.account, over)
            return
        except (OperationalError, InterfaceError):
            logger.exception("The database does not take what came of %s calls", len(over))
            if not connection.is_usable():
                connection.close()
            time.sleep(attempt)
        except Exception:
            logger.exception("What came of %s calls can't be written", len(over))
            break
    if len(over) > 1:
        middle = len(over) // 2
        _settle(over[:middle])
        _settle(over[middle:])


def _settle_look(looked: Looked) -> None:
    try:
        doubts.settle(looked)
    except Exception:
        # It stays in doubt, and is looked up again when its lease has ended.
        logger.exception("What a look-up of %s found can't be written", looked.look.effect)
