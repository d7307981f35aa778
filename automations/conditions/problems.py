"""What is wrong with a document, said at the place where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` leads to the place by keys and positions, joined by dots (`when.all.0.value`).

    A note (`blocks` false) is worth reading and stops nothing.
    """

    path: str
    message: str
    blocks: bool = True


def joined(*parts: object) -> str:
    """Parts of a path as one; empty ones are left out."""
    return ".".join(str(part) for part in parts if part not in ("", None))
