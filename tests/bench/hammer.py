"""Sends prepared requests over connections that stay open, and times each answer.

One thread and a selector, as a client that spends more than the server measures itself.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

ENOUGH = 65_536


@dataclass(slots=True)
class Volley:
    """What came of a volley: seconds in all, milliseconds of each answer, answers by status."""

    took: float
    each_ms: list[float]
    statuses: dict[int, int]


@dataclass(slots=True)
class _Line:
    sock: socket.socket
    began: float = 0.0
    got: bytearray = field(default_factory=bytearray)


def post(path: str, host: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One request as it goes over the wire."""
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


def _complete(got: bytearray) -> int | None:
    """The status of an answer that has come whole."""
    head, found, body = bytes(got).partition(b"\r\n\r\n")
    if not found:
        return None
    lower = head.lower()
    at = lower.find(b"content-length:")
    length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return int(head[9:12]) if len(body) >= length else None


def fire(
    port: int, requests: Sequence[bytes], *, lines: int, per_second: float | None = None
) -> Volley:
    """Send them all; as fast as answers come, or at an even pace.

    At a pace an answer's time counts from when its request was due, so that waiting shows.
    """
    selector = selectors.DefaultSelector()
    waiting: Iterator[bytes] = iter(requests)
    each_ms: list[float] = []
    statuses: dict[int, int] = {}
    idle = [_Line(socket.create_connection(("127.0.0.1", port))) for _ in range(lines)]
    opened = list(idle)
    for line in opened:
        line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started, sent, total = time.perf_counter(), 0, len(requests)
    while len(each_ms) < total:
        now = time.perf_counter()
        due = total if per_second is None else min(total, int((now - started) * per_second) + 1)
        while idle and sent < due:
            line = idle.pop()
            line.began = now if per_second is None else started + sent / per_second
            line.got.clear()
            line.sock.sendall(next(waiting))
            selector.register(line.sock, selectors.EVENT_READ, line)
            sent += 1
        pause = 1.0 if per_second is None or not idle else 0.0005
        for key, _ in selector.select(pause):
            line = key.data
            line.got += line.sock.recv(ENOUGH)
            status = _complete(line.got)
            if status is not None:
                each_ms.append((time.perf_counter() - line.began) * 1000)
                statuses[status] = statuses.get(status, 0) + 1
                selector.unregister(line.sock)
                idle.append(line)
    took = time.perf_counter() - started
    for line in opened:
        line.sock.close()
    return Volley(took, each_ms, statuses)
