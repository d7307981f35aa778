"""One call, in a thread, with no transaction open: what was answered, and what the log says."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from automations.actions import ConnectorDown, InDoubt, Outcome, Rejected, RetryLater, TooMany
from automations.connectors.health import Result
from automations.connectors.kinds import Account, Answer, Found, Trace
from automations.connectors.transport import Lost, Unreachable
from automations.engine import gate
from automations.engine.calls import Bug
from automations.engine.gate import Lease, NotSent
from automations.engine.intents import Sending
from automations.models.connectors import CallLog

logger = logging.getLogger(__name__)

WHY_CAUGHT = "This is a sandbox, and it is not marked as staging."
# An answer of the other side, or why there is none.
Said = Answer | Outcome | Bug


@dataclass(slots=True)
class Sent:
    """A call that is over."""

    sending: Sending
    said: Said
    trace: Trace

    @property
    def result(self) -> Result:
        """What it tells about the connector."""
        return result_of(self.said, probe=self.sending.probe)


def result_of(said: object, *, probe: bool = False) -> Result:
    """What an answer tells about the connector: a refusal of one request is an answer too."""
    if isinstance(said, TooMany):
        return Result(True, probe=probe, throttled=True, after=said.after)
    if isinstance(said, NotSent | Bug) or getattr(said, "caught", False):
        return Result(None, probe=probe)
    if isinstance(said, Answer | Found | Rejected):
        return Result(True, probe=probe)
    return Result(False, str(said), probe=probe)


OUTCOMES: tuple[tuple[type, CallLog.Outcome], ...] = (
    (Answer, CallLog.Outcome.DONE),
    (NotSent, CallLog.Outcome.NOT_SENT),
    (TooMany, CallLog.Outcome.THROTTLED),
    (RetryLater, CallLog.Outcome.LATER),
    (ConnectorDown, CallLog.Outcome.DOWN),
    (InDoubt, CallLog.Outcome.DOUBT),
    (Bug, CallLog.Outcome.BUG),
    (Outcome, CallLog.Outcome.REFUSED),
)


def outcome_of(said: object) -> CallLog.Outcome:
    """How the log calls an answer."""
    if said is None:
        return CallLog.Outcome.DONE
    if getattr(said, "caught", False):
        return CallLog.Outcome.CAUGHT
    if isinstance(said, Found):
        if said.there is None:
            return CallLog.Outcome.UNKNOWN
        return CallLog.Outcome.FOUND if said.there else CallLog.Outcome.ABSENT
    return next(known for kind, known in OUTCOMES if isinstance(said, kind))


def gate_of(
    account: Account, lease: Lease, rule_id: int, document_id: int = 0
) -> Callable[[], None]:
    """What a call of this rule's version asks right before its first byte."""
    needs = timedelta(seconds=account.scope.total_seconds)
    return partial(gate.pass_through, rule_id, account.key, lease, needs, document_id)


def send(sending: Sending) -> Sent:
    """Make the call; answers whatever came of it, and raises nothing."""
    account, trace = sending.account, Trace()
    work = sending.work
    ask = gate_of(account, sending.lease, work.rule_id, work.document_id)
    said: Said
    try:
        said = _catch(account, sending.asked, trace) or account.connector.call(
            account, sending.asked, sending.effect, trace, ask
        )
    except Exception as error:  # noqa: BLE001 - told by kind
        said = told(error, account, trace, repeats=account.connector.repeats(sending.asked))
    trace.end()
    return Sent(sending, said, trace)


def _catch(account: Account, asked: Mapping[str, Any], trace: Trace) -> Answer | None:
    """What a sandbox answers in the place of a system that nobody marked as staging.

    None: it is to be called. What speaks to the system never runs, so it can't open anything. Mail
    is handed to the post, which keeps it.
    """
    if not account.caught or account.connector.mails:
        return None
    account.connector.foretell(account, asked, trace)
    return Answer(f"Caught: {account.name} was not called. {WHY_CAUGHT}", caught=True)


def told(error: Exception, account: Account, trace: Trace, *, repeats: bool) -> Outcome | Bug:
    """What an exception of a call means: done nothing, or in doubt.

    Only what sent nothing, or was told so by the other side, is certainly not done. The words of
    foreign exceptions are told nowhere: they may name what is secret.
    """
    if isinstance(error, Outcome):
        return error
    if isinstance(error, Unreachable) and not trace.sent:
        return ConnectorDown(f"{account.name} can't be reached. {error}")
    if isinstance(error, Lost | Unreachable):
        says = f"{account.name}: {error}"
        return RetryLater(says) if repeats else InDoubt(f"{says} It may have been done.")
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error(
        "The connector %s broke: %s in %s, line %s",
        account.key,
        type(error).__name__,
        place.filename,
        place.lineno,
    )
    says = f"The connector of {account.name} broke ({type(error).__name__})"
    if trace.sent and not repeats:
        return InDoubt(f"{says} after it had begun to send.")
    return Bug(f"{says}.")
