"""Countries to choose from, by their ISO 3166-1 code and the name people know."""

from __future__ import annotations

import re
from functools import lru_cache

from babel import Locale

# Territories of CLDR that no parcel goes to.
_NO_COUNTRIES = frozenset({"EU", "EZ", "UN", "XA", "XB", "ZZ", "QO", "AC", "CP", "CQ", "DG", "EA"})


@lru_cache(maxsize=1)
def countries() -> list[tuple[str, str]]:
    """Codes and names, by name."""
    known = Locale("en", "GB").territories.items()
    found = [
        (code, name)
        for code, name in known
        if re.fullmatch(r"[A-Z]{2}", code) and code not in _NO_COUNTRIES
    ]
    return sorted(found, key=lambda each: each[1])
