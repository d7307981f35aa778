"""Countries by their ISO 3166-1 code, with the names people know."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    territories = Locale("en", "GB").territories
    return {code: name for code, name in territories.items() if len(code) == 2 and code.isalpha()}


def country_name(code: str) -> str:
    """The country's name in English; “Not known” for an empty code, the code itself if unlisted."""
    return _names().get(code, code) or "Not known"
