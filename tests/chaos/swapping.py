"""Changing the product in a process under test; what is not there any more is an error."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def swap(module: ModuleType, name: str, value: Any) -> Any:
    """Put something else under a module's name; answers what was there."""
    before = getattr(module, name)
    setattr(module, name, value)
    return before


def cut(module: ModuleType, name: str, words: str) -> None:
    """Take words out of a statement; raises LookupError when they are not in it."""
    text = getattr(module, name)
    if words not in text:
        raise LookupError(f"{module.__name__}.{name} says nothing of “{words}”.")
    setattr(module, name, text.replace(words, ""))
