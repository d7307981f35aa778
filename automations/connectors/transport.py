"""One HTTP exchange with a place outside, or none: what is checked is what is connected to.

The name is resolved once for each new connection, every address must be public, and the connection
goes to the address that was checked; certificate, SNI and Host still speak of the name. Nothing is
followed, no proxy and no setting of the environment is obeyed. The whole exchange has a deadline
that a server can't stretch byte by byte.

`requests` sends through an adapter of ours, called without its session: a session would follow
redirects, keep cookies and read proxies.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from automations.connectors import addresses
from automations.connectors.addresses import AddressRefused
from automations.connectors.targets import Target

# A connection that stood still for longer may be closed on the other side at this very moment,
# and a request sent into that is in doubt.
IDLE_SECONDS = 4.0


def no_gate() -> None:
    """Whoever asks may send."""


class Unreachable(Exception):
    """Nothing was sent: no name, no connection, no valid certificate."""


class Lost(Exception):
    """Something was sent and no answer came: it may have been done."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an exchange may take, in seconds, and how much may go either way, in bytes."""

    connect: float = 3.0
    total: float = 20.0
    request: int = 262_144
    response: int = 1_048_576


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `complete` False: the body was longer than allowed, or broke off."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool


class Exchange(threading.local):
    """The exchange of this thread. `sent`: bytes of the request have left, or may have.

    No slots: those of a `local` would be shared by all threads.
    """

    def __init__(self) -> None:
        self.until = 0.0
        self.place = ("", 0)
        self.has_body = False
        self.gate: Callable[[], None] = no_gate
        self.sent = False
        self.connect = 3.0

    def left(self) -> float:
        """Seconds until the deadline; raises TimeoutError past it."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("The time is up.")
        return seconds


_now = Exchange()


class _Plain(socket.socket):
    """A socket whose every read and write ends at the deadline of the whole exchange."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_now.left())
        return super().recv_into(*args, **kwargs)


class _TLS(ssl.SSLSocket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_now.left())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_now.left())
        return super().send(*args, **kwargs)


def dial(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to exactly this address; raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = _Plain(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(seconds)
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


def _addresses_of(host: str, port: int) -> list[str]:
    if settings.CONNECTORS_ALLOW_LOOPBACK and host == "127.0.0.1":
        return [host]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        raise AddressRefused("Names are called, not numbers.")
    return addresses.checked(addresses.resolve(host, port))


class _Pinned(HTTPConnection):
    """Connects to a checked address, and asks at the gate before the first byte."""

    idle_since = 0.0
    head = b""

    def _new_conn(self) -> socket.socket:
        if (self.host, self.port) != _now.place:
            raise Unreachable("The address is read in two ways.")
        try:
            found = _addresses_of(self.host, int(self.port or 0))
        except AddressRefused as error:
            raise Unreachable(str(error)) from error
        except (OSError, UnicodeError) as error:
            raise Unreachable("The name can't be resolved.") from error
        # The second is for a first that is down; more would use up the time of the others.
        for address in found[:2]:
            try:
                return dial(address, int(self.port or 0), min(_now.connect, _now.left()))
            except OSError as error:
                why = "in time" if isinstance(error, TimeoutError) else f"({error.strerror})"
        raise Unreachable(f"No connection {why}.")

    def send(self, data: Any) -> None:
        """Head and body go as one: half as many packets, and no half a request."""
        if _now.has_body and not self.head:
            self.head = data
            return
        data, self.head = self.head + data, b""
        if self.sock is None:
            self.connect()
        if not _now.sent:
            _now.gate()
            _now.sent = True
        if self.sock is not None:
            self.sock.settimeout(_now.left())
        super().send(data)


class _PinnedTLS(_Pinned, HTTPSConnection):
    pass


class _Fresh:
    """A pool that gives out no connection that stood still for long."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        conn = super()._get_conn(timeout)  # type: ignore[misc]
        if conn.sock is not None and time.monotonic() - conn.idle_since > IDLE_SECONDS:
            conn.close()
        conn.head = b""
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]


class _PlainPool(_Fresh, HTTPConnectionPool):
    ConnectionCls = _Pinned


class _TLSPool(_Fresh, HTTPSConnectionPool):
    ConnectionCls = _PinnedTLS


class PinningAdapter(HTTPAdapter):
    """requests' adapter on connections that are pinned to checked addresses."""

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **given: Any
    ) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _TLS
        self.poolmanager = PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, ssl_context=context, **given
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TLSPool}

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Without cookies: they would come back with the next call."""
        made = requests.Response()
        made.status_code, made.raw, made.request = resp.status, resp, req
        made.headers = CaseInsensitiveDict(resp.headers)
        return made


@dataclass(slots=True)
class Transport:
    """The connections of one account, kept open between its calls."""

    limits: Limits
    at_once: int = 4
    _adapter: PinningAdapter = field(init=False)

    def __post_init__(self) -> None:
        self._adapter = PinningAdapter(2, self.at_once, max_retries=0)

    def exchange(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        gate: Callable[[], None] = no_gate,
    ) -> Reply:
        """Send one request and read its answer.

        `gate` is asked when the connection stands, right before the first byte; what it raises
        comes through. Raises Unreachable when nothing was sent, Lost when no answer came.
        """
        if body is not None and len(body) > self.limits.request:
            raise Unreachable("The request is longer than this connector may send.")
        made = _prepared(method, target, headers, body)
        _now.until, _now.place = time.monotonic() + self.limits.total, (target.host, target.port)
        _now.gate, _now.sent, _now.connect = gate, False, self.limits.connect
        _now.has_body = bool(body)
        try:
            answer = self._adapter.send(
                made,
                stream=True,
                timeout=(self.limits.connect, self.limits.total),
                verify=settings.CONNECTORS_CA_FILE or True,
                proxies={},
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _failed(error) from error
        return self._read(answer)

    def _read(self, answer: requests.Response) -> Reply:
        """The body as it came: not unpacked, as little can be packed into much."""
        most, complete, body = self.limits.response, True, b""
        try:
            body = answer.raw.read(most + 1, decode_content=False)
        except (HTTPError, OSError):
            complete = False
        if len(body) > most:
            body, complete = body[:most], False
        if complete:
            answer.raw.release_conn()
        else:
            answer.raw.close()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, headers, body, complete)

    def close(self) -> None:
        """Close what is open."""
        self._adapter.close()


def _prepared(
    method: str, target: Target, headers: Mapping[str, str], body: bytes | None
) -> requests.PreparedRequest:
    """The request as it goes over the wire; the address was read strictly, so nothing is mended."""
    written = "".join(f"{name}{value}" for name, value in headers.items())
    if not (written.isascii() and written.isprintable()):
        raise Unreachable("A header has a line break or a foreign letter in it.")
    made = requests.PreparedRequest()
    made.method, made.url, made.body = method, target.url or "/", body
    own = {"User-Agent": "Countersign", "Accept-Encoding": "identity"}
    made.headers = CaseInsensitiveDict({**own, **headers})
    if body is not None or method != "GET":
        made.headers["Content-Length"] = str(len(body or b""))
    return made


def _failed(error: BaseException) -> Unreachable | Lost:
    """The exception's own words stay out: they may name the path, which can be a secret."""
    late = isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error)
    if _now.sent:
        return Lost("No answer in time." if late else "The connection broke before the answer.")
    if isinstance(error, requests.exceptions.SSLError):
        return Unreachable("The certificate or its handshake is not valid.")
    return Unreachable("No connection in time." if late else "The connection broke at its start.")
