"""Where a connector may call: addresses read strictly, so that nobody reads them otherwise.

What browsers forgive (backslashes, user names, numbers in other notations, dots at the end) is
refused here, as two readers that disagree are how a check is got round.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from django.conf import settings

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})+"
# RFC 3986's characters of a path, percent signs only before two hexadecimal digits.
_SIGNS = r"[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}"
_REST = rf"(?:(?P<path>/(?:{_SIGNS})*)(?:\?(?P<query>(?:{_SIGNS}|\?)*))?)?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?::(?P<port>[1-9][0-9]{{0,4}}))?{_REST}", re.ASCII
)
_PATH = re.compile(_REST, re.ASCII)
# A name whose last part is a number is read as an address by some.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INSIDE = ("localhost", "local", "internal", "intranet", "lan", "corp", "home", "arpa", "onion")
LOOPBACK = "127.0.0.1"
LONGEST = 2_000


class TargetInvalid(ValueError):
    """An address or path that is not taken; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to call. `path` holds everything after the port, as it goes over the wire."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        standard = {"https": 443, "http": 80}[self.scheme] == self.port
        return f"{self.scheme}://{self.host}" + ("" if standard else f":{self.port}")

    @property
    def url(self) -> str:
        return self.origin + self.path


def read_url(text: str) -> Target:
    """An address as a place to call; raises TargetInvalid."""
    if len(text) > LONGEST:
        raise TargetInvalid("This address is too long.")
    found = _URL.fullmatch(text)
    if found is None:
        raise TargetInvalid(
            "Write a plain address, such as https://api.example.com/v2: a lower-case name, no "
            "user name, no spaces, no fragment."
        )
    path = (found["path"] or "") + (f"?{found['query']}" if found["query"] is not None else "")
    scheme, host = found["scheme"], found["host"]
    port = int(found["port"] or {"https": 443, "http": 80}[scheme])
    target = Target(scheme, host, port, path)
    if settings.CONNECTORS_ALLOW_LOOPBACK and (scheme, host) == ("http", LOOPBACK):
        return _clean(target)
    _refuse_plain(target)
    _refuse_inside(host)
    return _clean(target)


def _refuse_plain(target: Target) -> None:
    if target.scheme != "https":
        raise TargetInvalid("Only https is called.")
    if target.port not in settings.CONNECTORS_PORTS:
        raise TargetInvalid(f"Port {target.port} is not among those that may be called.")


def _refuse_inside(host: str) -> None:
    last = host.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        raise TargetInvalid("Write a name, not a number.")
    if last in _INSIDE:
        raise TargetInvalid(f"Names that end in .{last} lead inside.")
    if len(host) > 253:
        raise TargetInvalid("This name is too long.")


def _clean(target: Target) -> Target:
    """No way up or aside in the path, however it is written."""
    path = target.path.partition("?")[0]
    seen = path
    for _ in range(3):  # written twice over, too
        if any(part in (".", "..") for part in seen.split("/")) or "//" in seen or "\\" in seen:
            raise TargetInvalid("A path goes down only: no //, no . and no .. in it.")
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in seen):
            raise TargetInvalid("A path has no control characters.")
        seen = unquote(seen)
    return target


def read_path(text: str) -> str:
    """A path with or without a query, as it goes over the wire; raises TargetInvalid."""
    if len(text) > LONGEST or not text.startswith("/") or _PATH.fullmatch(text) is None:
        raise TargetInvalid("A path begins with / and has no spaces: /v1/orders.")
    _clean(Target("https", "", 443, text))
    return text


def below(base: Target, path: str) -> Target:
    """A place below another one; raises TargetInvalid."""
    return Target(base.scheme, base.host, base.port, base.path.rstrip("/") + read_path(path))
