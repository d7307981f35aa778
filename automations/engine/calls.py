"""Calling actions: sets where they take sets, each bug cut out, nothing half done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction

from automations.actions import (
    Action,
    Answered,
    Call,
    Done,
    ExternalAction,
    Outcome,
    RetryLater,
    SetAction,
)
from automations.models.rules import RULE_SPAN
from backoffice import logs

logger = logging.getLogger(__name__)

# Deadlock, serialisation, lock or statement timeout: the same work may pass in a moment.
PASSING = {"40001", "40P01", "55P03", "57014"}
# So many ids name the runs of a set in a log line.
NAMED = 20


class Bug(Exception):
    """The action broke; the message is what people see, the log has the rest."""


Answer = Done | Outcome | Bug


def call(action: Action, calls: Sequence[Call]) -> list[Answer]:
    """Take the effects, answering in the order of `calls`; what is not done has left nothing.

    Raises only when the connection or the worker itself is at its end.
    """
    if isinstance(action, SetAction):
        return _as_a_set(action, calls)
    return [_alone(action, one) for one in calls]


def about(calls: Sequence[Call]) -> logs.Ids:
    """What a line logged inside an action is about: the run, or the runs of a set."""
    actors = [one.actor for one in calls]
    runs = [actor.run_id for actor in actors if actor.run_id is not None]
    if len(calls) > 1 or not runs:
        rules = sorted({actor.rule_id for actor in actors if actor.rule_id is not None})
        return {"runs": len(runs), "run_ids": runs[:NAMED], "rule_ids": rules[:NAMED]}
    return {
        "event_id": runs[0] // RULE_SPAN,
        "run_id": actors[0].run_id,
        "rule_id": actors[0].rule_id,
        "version": actors[0].rule_version,
    }


def _as_a_set(action: SetAction, calls: Sequence[Call]) -> list[Answer]:
    with logs.about(partial(about, calls)):
        try:
            with transaction.atomic():
                answers: list[Answer] = list(action.execute_many(calls))
                if len(answers) != len(calls):
                    raise Bug(f"{action.key} gave {len(answers)} answers to {len(calls)} calls.")
                return answers
        except Exception as error:
            passing = _passing(error)
            if passing is not None:
                return [passing] * len(calls)
            if len(calls) == 1:
                if not isinstance(error, Outcome):
                    logger.exception("%s broke on %s", action.key, calls[0].key)
                return [_told(action, error)]
    # One bad apple: the halves without it go through.
    middle = len(calls) // 2
    return _as_a_set(action, calls[:middle]) + _as_a_set(action, calls[middle:])


def _alone(action: Action, one: Call) -> Answer:
    return _guarded(action, one, lambda: action.execute(one))


def _guarded(action: Action, one: Call, do: Callable[[], Done]) -> Answer:
    with logs.about(partial(about, [one])):
        try:
            with transaction.atomic():
                return do()
        except Outcome as outcome:
            return outcome
        except Exception as error:
            passing = _passing(error)
            if passing is None:
                logger.exception("%s broke on %s", action.key, one.key)
            return passing or _told(action, error)


def confirm(action: ExternalAction, one: Call, answer: Answered) -> Done | Bug:
    """What an action writes down here because of what happened outside.

    That it happened stands, whatever breaks here: then a person has to write it down.
    """
    if type(action).confirmed is ExternalAction.confirmed:
        return Done(answer.says)
    told = _guarded(action, one, lambda: action.confirmed(one, answer))
    if isinstance(told, Done):
        return told
    return Bug(f"{answer.says} It could not be written down here: {told}")


def _passing(error: BaseException) -> RetryLater | None:
    """A fault of the moment; raises again what only a new transaction or worker can mend."""
    if isinstance(error, SoftTimeLimitExceeded):
        raise error
    if isinstance(error, DatabaseError):
        state = getattr(error.__cause__, "sqlstate", None)
        if state is None or not transaction.get_connection().is_usable():
            raise error
        if state in PASSING:
            return RetryLater("The database was busy.")
    return None


def _told(action: Action, error: BaseException) -> Answer:
    if isinstance(error, Outcome | Bug):
        return error
    return Bug(f"{action.label} broke: {type(error).__name__}: {error}"[:500])
