"""Log lines that say what they are about: ids from context, a closed list of fields, no secrets.

Code logs through `logging` as ever; a line written while a request, a task or an action is in hand
carries its ids. What is no field of FIELDS is never written, whoever passes it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from pythonjsonlogger.json import JsonFormatter

Ids = Mapping[str, Any]
# Worked out only when a line is written, so that binding costs the work nothing.
About = Callable[[], Ids]

# Ids, counts, times and words of our own: nothing that a person typed, no address, no header.
FIELDS = (
    "request_id",
    "user_id",
    "method",
    "route",
    "status",
    "ms",
    "task",
    "task_id",
    "event_id",
    "run_id",
    "rule_id",
    "version",
    "run_ids",
    "rule_ids",
    "runs",
    "stage",
    "done",
    "since",
    "waiting",
    "case_id",
    "job_id",
)
# Django and Celery pass these under names of their own.
_CALLED = {"status_code": "status"}

_about: ContextVar[tuple[About, ...]] = ContextVar("log_about", default=())

_HIDDEN = "[hidden]"
_SECRETS = (
    # What PostgreSQL tells of the row that broke a constraint, and pydantic of what it refused.
    (re.compile(r"DETAIL:.*?(?=\n\n|\Z)", re.DOTALL), f"DETAIL: {_HIDDEN}"),
    (re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL), f"input_value={_HIDDEN}"),
    (re.compile(r"//[^/\s:@]*:[^/\s@]+@"), f"//{_HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic) [\w.+/=~-]+"), rf"\1 {_HIDDEN}"),
    (
        re.compile(
            r"\b(\w*(?:passw|secret|token|authorization|api_?key|cookie|sessionid)\w*)"
            r"([\"']?\s*[=:]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;)}\]]+)",
            re.IGNORECASE,
        ),
        rf"\1\2{_HIDDEN}",
    ),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "[mail address]"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class about:  # noqa: N801 - used like a function
    """Bind ids to every line logged inside the `with`; the innermost binding of a field counts.

    Takes a function that answers fields of FIELDS, called for each line.
    """

    __slots__ = ("_ids", "_token")

    def __init__(self, ids: About) -> None:
        self._ids = ids

    def __enter__(self) -> None:
        self._token: Token[tuple[About, ...]] = _about.set((*_about.get(), self._ids))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _about.reset(self._token)


def hide(text: str) -> str:
    """A text without what looks like a secret or a mail address."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The ids that are bound and the fields that the call passed, in the order of FIELDS."""
    found: dict[str, Any] = {}
    for ids in _about.get():
        found.update(ids())
    for name, value in record.__dict__.items():
        found[_CALLED.get(name, name)] = value
    return {name: _plain(found[name]) for name in FIELDS if found.get(name) is not None}


def _plain(value: Any) -> Any:
    """Numbers and lists of them as they are; anything else as a short text without secrets."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return hide(str(value))[:200]


def _at(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


class JsonLines(JsonFormatter):
    """One JSON object a line, for machines."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill the line from the closed list, where the library would write all it finds."""
        log_data["time"] = _at(record).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        # A dict as message would get around the list.
        log_data["message"] = "" if isinstance(record.msg, dict) else hide(record.getMessage())
        log_data.update(fields_of(record))
        if message_dict.get("exc_info"):
            log_data["exception"] = hide(message_dict["exc_info"])


class ReadableLines(logging.Formatter):
    """One line for eyes; a traceback follows indented, so that no text can pass for a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and below it the traceback if there is one."""
        words = _escape(hide(record.getMessage()))
        ids = " ".join(f"{name}={_escape(str(v))}" for name, v in fields_of(record).items())
        line = f"{_at(record):%H:%M:%S.%f}"[:-3]
        line = f"{line} {record.levelname} {record.name} {words}{'  ' + ids if ids else ''}"
        if record.exc_info:
            trace = hide(self.formatException(record.exc_info))
            line += "".join(f"\n    {_escape(part)}" for part in trace.splitlines())
        return line


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
