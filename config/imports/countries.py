"""Country names as shops write them, as ISO 3166-1 alpha-2."""

from difflib import get_close_matches
from functools import cache

from babel import Locale

from config.imports.problems import BadValue

# Names that the English CLDR list has under another form.
_ALSO = {
    "eire": "IE",
    "rsa": "ZA",
    "usa": "US",
    "uk": "GB",
    "great britain": "GB",
    "hong kong": "HK",
    "czech republic": "CZ",
    "korea": "KR",
    "uae": "AE",
    "burma": "MM",
    "macedonia": "MK",
    "turkey": "TR",
    "west indies": "",
}
# Not one country: the order keeps the words, its country is unknown.
_UNKNOWN = {"unspecified": "", "european community": "", "channel islands": ""}


@cache
def _known() -> dict[str, str]:
    names = {
        name.casefold(): code
        for code, name in Locale("en").territories.items()
        if len(code) == 2 and code not in {"EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"}
    }
    return names | _ALSO | _UNKNOWN


@cache
def country_code(name: str) -> str:
    """The code of a country by its English name; an empty string for words that name no country.

    Raises BadValue, with the nearest known name, for a name that is not known.
    """
    known = _known()
    folded = name.strip().casefold()
    if not folded:
        raise BadValue("The country is empty. Write its English name, or Unspecified.")
    if folded not in known:
        near = get_close_matches(folded, known, n=1)
        hint = f" Did you mean {near[0].title()}?" if near else ""
        raise BadValue(f"No country of this name is known.{hint} Write its English name.")
    return known[folded]
