"""The database functions that alone may write what is approved and in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from automations.services.errors import NotPossible, Refused
from backoffice import doors
from backoffice.actors import Actor


def person_id(actor: Actor) -> int:
    """The signed-in person behind an actor; raises NotPossible for rules, systems and imports."""
    if actor.user_id is None:
        raise NotPossible("Only a person can do this.")
    return actor.user_id


def call(function: str, *arguments: Any) -> Any:
    """Call one guarded function; raises Refused with the sentence it refuses with."""
    return doors.call(f"automations_{function}", *arguments, as_error=Refused)


def refusals() -> AbstractContextManager[None]:
    """What a guard refuses in here is undone and raised as Refused, with its sentence."""
    return doors.refusing(Refused)


def as_json(value: Mapping[str, Any]) -> str:
    """A JSON argument as text; amounts and times become strings."""
    return json.dumps(value, cls=DjangoJSONEncoder)
