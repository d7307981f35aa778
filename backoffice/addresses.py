"""Numbers and codes in addresses: others chose them, so they may hold anything."""

from __future__ import annotations

from urllib.parse import unquote

from django.urls import register_converter

# What a browser takes as a way up, and the names that pages beside the records have.
TAKEN = frozenset({".", "..", "_", "new", "moves"})
NULL = "\0"


class NumberConverter:
    """A record's number, whatever characters it has: `A/B` stands as `A%2FB`.

    Servers decode an address once, so what must survive that is encoded once more.
    """

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        number = unquote(value)
        if NULL in number:
            raise ValueError("No number holds a null character.")
        return number

    def to_url(self, value: object) -> str:
        number = str(value)
        if number in TAKEN:
            return f"%{ord(number[0]):02X}{number[1:]}"
        return number.replace("%", "%25").replace("/", "%2F")


def register() -> None:
    """Make `<number:…>` known to the site map; called once when the app is ready."""
    register_converter(NumberConverter, "number")
