"""Plain values to YAML and back: nothing is lost, nothing is taken for something else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from automations.rules.yaml_text import read_yaml, write_yaml

values = some.recursive(
    some.none() | some.booleans() | some.integers(-(10**17), 10**17) | some.text(),
    lambda inner: (
        some.lists(inner, max_size=4)
        | some.dictionaries(some.text(min_size=1, max_size=20), inner, max_size=4)
    ),
    max_leaves=12,
)
storable = some.text(
    some.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]) | some.sampled_from("\n\t"),
)


@given(storable)
def test_any_text_comes_back_from_yaml_as_it_was(text: str) -> None:
    written = write_yaml({"key": text, "list": [text, {"inner": text}]})
    (part,) = read_yaml(written)
    assert part.value == {"key": text, "list": [text, {"inner": text}]}


@given(some.dictionaries(some.from_regex(r"[a-z_.]{1,12}", fullmatch=True), values, max_size=5))
def test_any_value_of_plain_text_comes_back_from_yaml_as_it_was(value: dict[str, Any]) -> None:
    if json.dumps(value, ensure_ascii=False).isprintable() and value:
        (part,) = read_yaml(write_yaml(value))
        assert part.value == value


@pytest.mark.parametrize(
    "word", ["NO", "on", "yes", "y", "0042", "1e5", "1_000", "2026-11-28", "~"]
)
def test_words_that_other_readers_take_for_something_else_stay_text(word: str) -> None:
    (part,) = read_yaml(f"country: {json.dumps(word)}\n")
    assert part.value == {"country": word}
    assert write_yaml({"country": word}) in (f'country: "{word}"\n', f"country: '{word}'\n")
    if word != "~":
        (plain,) = read_yaml(f"country: {word}\n")
        assert plain.value == {"country": word}
