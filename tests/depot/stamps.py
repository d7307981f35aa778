"""Actions on parcels that can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from automations.actions import Call, Done, Outcome, Rejected, Risk
from automations.actions import actions as action_registry
from tests.depot.automation import Tagging, add_tags
from tests.depot.models import Parcel


@action_registry.register
class Stamp(Tagging):
    """A tag that can be taken off again, unless it is glued."""

    key = "depot.stamp"
    label = "Stamp"

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        pks = [call.subject_id for call in calls]
        had = {parcel.pk: parcel.tags for parcel in Parcel.objects.filter(pk__in=pks)}
        new = [call for call in calls if call.params["tag"] not in had[call.subject_id]]
        if new:
            add_tags(new)
        versions = dict(Parcel.objects.filter(pk__in=pks).values_list("pk", "version"))
        return [
            Done(
                f"Stamped {call.params['tag']}.",
                already=call not in new,
                undo={"tag": call.params["tag"], "version": versions[call.subject_id]},
            )
            for call in calls
        ]

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        return "This stamp is glued on." if done.get("tag") == "glued" else ""

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        parcel = Parcel.objects.get(pk=call.subject_id)
        if done["tag"] == "stuck":
            raise Rejected("It sticks.")
        parcel.tags.remove(done["tag"])
        parcel.version += 1
        parcel.save(update_fields=["tags", "version"])
        return Done(f"Took {done['tag']} off.")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Take {done['tag']} off"


@action_registry.register
class CostlyStamp(Stamp):
    """One that only finance takes off again."""

    key = "depot.costly_stamp"
    label = "Costly stamp"
    risk = Risk.MONEY
