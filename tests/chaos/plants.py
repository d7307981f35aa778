"""Bugs planted on purpose, loaded into the processes by an environment variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

VARIABLE = "CHAOS_PLANTED"


@dataclass(frozen=True, slots=True)
class Plant:
    spoil: Callable[[], None]


PLANTS: dict[str, Plant] = {}
