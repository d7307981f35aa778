"""A registry that refuses a wrong class, a missing key or a key that is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Generic, Protocol, TypeVar

from django.core.exceptions import ImproperlyConfigured


class Keyed(Protocol):
    key: ClassVar[str]


T = TypeVar("T", bound=Keyed)


class Registry(Generic[T]):
    """Instances by key. Stored rows name keys, so a key is never renamed."""

    def __init__(self, base: type[T]) -> None:
        self.base = base
        self._known: dict[str, T] = {}

    def register(self, cls: type[T]) -> type[T]:
        """Class decorator: make one instance and keep it under its key."""
        if not issubclass(cls, self.base):
            raise ImproperlyConfigured(f"{cls.__name__} is no {self.base.__name__}.")
        instance = cls()
        key = getattr(instance, "key", "")
        if "." not in key:
            raise ImproperlyConfigured(f"{cls.__name__}.key must look like app.name, not {key!r}.")
        if key in self._known:
            raise ImproperlyConfigured(f"{key} is registered twice.")
        self._known[key] = instance
        return cls

    def __getitem__(self, key: str) -> T:
        return self._known[key]

    def get(self, key: str) -> T | None:
        return self._known.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def __iter__(self) -> Iterator[T]:
        return iter(sorted(self._known.values(), key=lambda item: item.key))

    def __len__(self) -> int:
        return len(self._known)
