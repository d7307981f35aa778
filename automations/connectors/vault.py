"""Secrets at rest: sealed under a ring of keys that never touches the database.

`SECRETS_KEYS` holds Fernet keys, the newest first: it seals, all of them open. A sealed secret
carries its account and name inside, so that a row put in another's place does not open.
"""

from __future__ import annotations

import json
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEPT = 1_000


class Unreadable(Exception):
    """A secret that can't be opened; the message says what to do, and nothing of the secret."""


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured(
            "SECRETS_KEYS is empty. Make a key with `python manage.py make_secrets_key` and put it "
            "into the environment of every process, outside the database."
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured("SECRETS_KEYS holds something that is no Fernet key.") from error


def ring() -> MultiFernet:
    """The key ring of the settings; raises ImproperlyConfigured."""
    return _ring(tuple(settings.SECRETS_KEYS))


def seal(account: str, name: str, value: str) -> str:
    """A secret as the database keeps it."""
    plain = json.dumps([account, name, value])
    return ring().encrypt(plain.encode()).decode()


def open_sealed(account: str, name: str, sealed: str) -> str:
    """The secret itself; raises Unreadable."""
    return _open(account, name, sealed, tuple(settings.SECRETS_KEYS))


# Each call needs it; deriving it each time would cost more than the rest of the call's preparation.
@lru_cache(maxsize=KEPT)
def _open(account: str, name: str, sealed: str, keys: tuple[str, ...]) -> str:
    try:
        whose, what, value = json.loads(_ring(keys).decrypt(sealed.encode()))
    except InvalidToken:
        raise Unreadable(
            f"The {name} can't be opened with the keys in SECRETS_KEYS. Put the old key back, or "
            "store the secret anew."
        ) from None
    if (whose, what) != (account, name):
        raise Unreadable(f"The {name} was sealed for something else. Store it anew.")
    return str(value)


def reseal(sealed: str) -> str:
    """The same secret under the newest key; raises Unreadable."""
    try:
        return ring().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable("A secret can't be opened with the keys in SECRETS_KEYS.") from None
