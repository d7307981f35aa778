"""YAML as a person keeps it in a file, read into plain JSON values with the line of each.

PyYAML parses and nothing more: values are built here from its events, by the rules of YAML 1.2, so
that `on` stays a key, `NO` stays Norway and `0042` keeps its noughts. Anchors, aliases and tags are
refused, so nothing can blow up or be constructed; so is whatever is deeper or larger than a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from automations.conditions.problems import joined

# libyaml where the platform has it; the same events, only slower, where it has not.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST = 60
MOST_VALUES = 200_000
LONGEST_KEY = 200

_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# What other readers, by YAML 1.1, would take for something else: written in quotes.
_MISREAD = re.compile(r"(?i:y|n|yes|no|on|off)|[-+]?[0-9._:,-]+(?:[eE][-+]?[0-9]+)?", re.ASCII)


class YamlInvalid(ValueError):
    """Text that is no YAML as we read it; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Part:
    """One document of a YAML text: its value, where it begins, and the line of each path."""

    value: Any
    line: int
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of a path, or of what is nearest above it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, self.line)


# --- reading ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Open:
    """A list or an object that is being read; `key` is the one whose value comes next."""

    value: Any
    path: str
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds the documents of one text from its events."""

    open: list[_Open] = field(default_factory=list)
    part: Part | None = None
    seen: int = 0

    def take(self, event: yaml.Event) -> Part | None:
        """Take the next event; the document when it is complete."""
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        self._refuse(event, line)
        if isinstance(event, yaml.DocumentStartEvent):
            self.part = Part(None, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.open.pop()
        elif isinstance(event, yaml.DocumentEndEvent):
            return self.part
        return None

    def _refuse(self, event: yaml.Event, line: int) -> None:
        self.seen += 1
        if self.seen > MOST_VALUES:
            raise YamlInvalid(line, "This file holds far more than rules do.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlInvalid(line, "Anchors and aliases (& and *) are not read. Write it out.")
        if getattr(event, "tag", None):
            raise YamlInvalid(line, "Tags (!…) are not read. Leave it out.")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        here = self.open[-1] if self.open else None
        if here is not None and isinstance(here.value, dict) and here.key is None:
            self._key(here, str(event.value), line)
        else:
            self._place(_plain(event.value) if event.implicit[0] else event.value, line)

    def _key(self, here: _Open, key: str, line: int) -> None:
        if len(key) > LONGEST_KEY:
            raise YamlInvalid(line, f"A key has at most {LONGEST_KEY} characters.")
        if key in here.value:
            raise YamlInvalid(line, f"“{key}” stands twice here. Keep one of them.")
        here.key = key
        self._note(joined(here.path, key), line)

    def _begin(self, value: Any, line: int) -> None:
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].key is None:
            raise YamlInvalid(line, "A key is a text.")
        if len(self.open) >= DEEPEST:
            raise YamlInvalid(line, "This goes far deeper than a rule does.")
        path = self._place(value, line)
        self.open.append(_Open(value, path))

    def _place(self, value: Any, line: int) -> str:
        """Put a value where it belongs; answers its path."""
        assert self.part is not None  # noqa: S101 (a document has begun)
        if not self.open:
            self.part.value, self.part.line = value, line
            return ""
        here = self.open[-1]
        if isinstance(here.value, list):
            path = joined(here.path, len(here.value))
            here.value.append(value)
            self._note(path, line)
            return path
        key, here.key = here.key, None
        here.value[key] = value
        return joined(here.path, key)

    def _note(self, path: str, line: int) -> None:
        assert self.part is not None  # noqa: S101 (a document has begun)
        self.part.lines[path] = line


def _plain(text: str) -> Any:
    """A word without quotes: nothing, yes or no, a whole number, else the text as it is written.

    Numbers with decimals stay text, as documents write them.
    """
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def read_yaml(text: str) -> Iterator[Part]:
    """Each document of a text that holds something; raises YamlInvalid at the first fault."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            part = builder.take(event)
            if part is not None and part.value is not None:
                yield part
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise YamlInvalid(line, f"This is no YAML: {error.problem or error.context}.") from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise YamlInvalid(line, "A character stands here that no text holds.") from error
    except UnicodeError as error:
        raise YamlInvalid(1, "This file is no text.") from error


# --- writing ------------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """Blocks with indented lists; quotes wherever a reader could take a text for something else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"|~|null|Null|NULL", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", list("-+0123456789")),
):
    _Dumper.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z", re.ASCII), _first)


def _style(text: str) -> str | None:
    """How a text is written: as a block where it has lines, in quotes where it could be misread."""
    lines = text.split("\n")
    if not all(line.isprintable() for line in lines):
        return '"'
    if len(lines) > 1:
        whole = all(line == line.rstrip() for line in lines) and not text[0].isspace()
        return "|" if whole else '"'
    return '"' if _MISREAD.fullmatch(text) else None


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _object(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    """An object; one of a few plain values (an amount) stands on one line."""
    node = dumper.represent_mapping("tag:yaml.org,2002:map", value.items())
    for key, _ in node.value:
        if key.style == '"' and key.value in ("on", "off", "yes", "no", "y", "n"):
            key.style = None
    if set(value) == {"amount", "currency"} or not value:
        node.flow_style = True
    return node


_Dumper.add_representer(str, _text)
_Dumper.add_representer(dict, _object)


def write_yaml(value: Any) -> str:
    """A plain JSON value as YAML, its keys in the order they have; always the same text for it."""
    written: str = yaml.dump(
        value,
        Dumper=_Dumper,
        allow_unicode=True,
        default_flow_style=False,
        sort_keys=False,
        width=10_000,
    )
    return written
