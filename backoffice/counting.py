"""Numbers with their nouns, as texts that Python writes say them; templates have `pluralize`."""

from __future__ import annotations


def counted(number: int, noun: str, nouns: str = "") -> str:
    """`1 order`, `2,314 orders`; `nouns` is the plural where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
