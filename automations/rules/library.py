"""Rules to start from: each a file in the `library` folder of an app, as plain data.

A file stands with the uppermost app it names, so that an app brings and takes along its own.
“Add a template” in `automations/README.md` says how one is written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import cached_property
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from automations.catalogue import catalogue_for
from automations.conditions.fields import Catalogue, Kind
from automations.conditions.fields import Field as Known
from automations.conditions.values import parse, stored_instant
from automations.rules.document import Do, RuleDocument, walk_steps
from automations.rules.parsing import parse_document
from automations.rules.validating import Registries
from automations.rules.words import rule_in_words

FOLDER = "library"
# Words of a wish that say nothing of what it is about.
FILLERS = frozenset(
    [
        "about",
        "every",
        "from",
        "item",
        "order",
        "please",
        "product",
        "rule",
        "should",
        "tell",
        "that",
        "them",
        "these",
        "this",
        "want",
        "when",
        "which",
        "with",
    ]
)
Facts = dict[str, Any]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sample(_Model):
    """An event, or a record on its day: in a sentence, and the facts that the rule looks at.

    `facts` are written as values in conditions are; `at` is the moment it is judged at.
    """

    says: str = Field(min_length=10)
    at: AwareDatetime
    facts: Facts
    lists: dict[str, list[Facts]] = Field(default_factory=dict)

    def stored(self, catalogue: Catalogue) -> tuple[Facts, dict[str, list[Facts]]]:
        """As the event would have stored it; raises KeyError and ValueError where that can't be."""
        lists = {
            path: [_stored(item, catalogue.lists[path].items) for item in items]
            for path, items in self.lists.items()
        }
        return _stored(self.facts, catalogue.fields), lists


def _stored(facts: Mapping[str, Any], fields: Mapping[str, Known]) -> Facts:
    found: Facts = {}
    for path, raw in facts.items():
        field = fields[path]
        values = [parse(field, each) for each in (raw if field.kind is Kind.TAGS else [raw])]
        if field.kind is Kind.MONEY:
            found |= dict(zip(field.keys, (raw["amount"], raw["currency"]), strict=True))
        elif field.kind in (Kind.DATETIME, Kind.DURATION):
            found[field.key] = stored_instant(*values) if field.kind is Kind.DATETIME else values[0]
        else:
            found[field.key] = raw
    return found


class RuleTemplate(_Model):
    """A rule that only waits for its owner's figures; `rule` is a document without problems.

    `words` are what else people may look for. `fires` starts it, `passes` just doesn't.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    key: str
    name: str = Field(min_length=5, max_length=120)
    purpose: str = Field(min_length=20)
    domain: str
    fallback: str = Field(min_length=20)
    words: list[str]
    rule: dict[str, Any]
    fires: Sample
    passes: Sample

    @property
    def body(self) -> dict[str, Any]:
        return {"schema": 1, **self.rule}

    @cached_property
    def document(self) -> RuleDocument:
        return parse_document(self.body)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The fields of what it starts on; raises KeyError when nothing offers that."""
        source = Registries().source(self.document)
        if source is None:
            raise KeyError(self.document.source_key)
        return catalogue_for(source)

    @cached_property
    def text(self) -> str:
        """Everything that a search looks through, in lower case."""
        parts = [
            self.name,
            self.purpose,
            self.domain,
            *self.words,
            str(rule_in_words(self.document)),
        ]
        return "\n".join(parts).lower()

    def is_offered(self, registries: Registries) -> bool:
        """Whether what it starts on and all its actions are there."""
        does = [step for _, step in walk_steps(self.document.steps) if isinstance(step, Do)]
        known = registries.source(self.document) is not None
        return known and all(step.do in registries.actions for step in does)


def read_template(path: Path) -> RuleTemplate:
    """The template of a file; raises ImproperlyConfigured with what is wrong in which file."""
    try:
        return RuleTemplate(key=path.stem, **tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise ImproperlyConfigured(f"{path}: {error}") from error


@cache
def rule_templates() -> tuple[RuleTemplate, ...]:
    """Every template that the apps bring and can run, by domain and name."""
    folders = [Path(app.path) / FOLDER for app in apps.get_app_configs()]
    files = [path for folder in folders for path in sorted(folder.glob("*.toml"))]
    registries = Registries()
    found = [template for path in files if (template := read_template(path)).is_offered(registries)]
    if len({template.key for template in found}) < len(found):
        raise ImproperlyConfigured("Two templates of the rule library have the same name.")
    return tuple(sorted(found, key=lambda template: (template.domain, template.name)))


def rule_template(key: str) -> RuleTemplate | None:
    """The template of a key; None for an unknown one."""
    return next((each for each in rule_templates() if each.key == key), None)


def search(words: str, domain: str = "") -> list[RuleTemplate]:
    """The templates that hold each of these words; `domain` empty: of all domains.

    Where none holds them all, as of a whole sentence, those that hold the most telling ones.
    """
    wanted = words.lower().split()
    offered = [each for each in rule_templates() if not domain or each.domain == domain]
    found = [each for each in offered if all(word in each.text for word in wanted)]
    return found or _nearest(wanted, offered)


def _nearest(wanted: list[str], offered: list[RuleTemplate]) -> list[RuleTemplate]:
    """Those that share the rarest words: of “about fragile items” it is “fragile” that tells."""
    stems = {word.strip(".,?!").removesuffix("s") for word in wanted} - FILLERS
    held = {stem: [each for each in offered if stem in each.text] for stem in stems if stem[3:]}
    worth = {stem: 1 / len(several) ** 2 for stem, several in held.items() if several}
    scores = {each.key: sum(worth[stem] for stem in worth if stem in each.text) for each in offered}
    best = max(scores.values(), default=0.0)
    near = [each for each in offered if best and scores[each.key] >= best / 2]
    return sorted(near, key=lambda each: -scores[each.key])
