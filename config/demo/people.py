"""Invented names and addresses for the demonstration's customers, always the same for a number.

The data set knows numbers and countries only. Mail goes to example.com, which nobody owns
(RFC 2606).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

_FIRST = (
    "Amelia", "Oliver", "Priya", "Jack", "Grace", "Mohammed", "Isla", "Harry", "Chloe", "Samuel",
    "Aisha", "Thomas", "Zoe", "Daniel", "Megan", "Rhys", "Eilidh", "Callum", "Niamh", "Conor",
    "Ruth", "Peter", "Helen", "Marcus", "Yusuf", "Elena", "Anita", "George", "Freya", "Leon",
)  # fmt: skip
_LAST = (
    "Hartley", "Okafor", "Whitcombe", "Patel", "Fairbrother", "Lindqvist", "Marsh", "Ashdown",
    "Khan", "Pemberton", "Doyle", "Rowntree", "Sinclair", "Novak", "Blythe", "Thackeray", "Iyer",
    "Mercer", "Holloway", "Quinn", "Ferreira", "Aldridge", "Bexley", "Cartwright", "Dunmore",
    "Ellery", "Greaves", "Hughes", "Jarvis", "Kessler",
)  # fmt: skip
_ABROAD = {
    "DE": (("Anna", "Lukas", "Katrin", "Jonas", "Heike"), ("Brandt", "Vogel", "Seidel", "Krüger")),
    "FR": (("Camille", "Julien", "Élodie", "Mathieu"), ("Laurent", "Moreau", "Girard", "Fontaine")),
    "ES": (("Lucía", "Javier", "Carmen", "Pablo"), ("Ortega", "Navarro", "Vidal", "Serrano")),
    "IT": (("Giulia", "Matteo", "Chiara", "Paolo"), ("Ricci", "Conti", "Gallo", "Ferri")),
    "NL": (("Sanne", "Daan", "Lotte", "Bram"), ("de Vries", "Bakker", "Visser", "Smit")),
    "PT": (("Inês", "Tiago", "Marta", "Rui"), ("Almeida", "Carvalho", "Teixeira", "Pinto")),
    "JP": (("Yui", "Haruto", "Aoi", "Ren"), ("Tanaka", "Kobayashi", "Mori", "Ishii")),
    "PL": (("Zofia", "Jakub", "Maja", "Adam"), ("Nowicki", "Zając", "Wrona", "Lis")),
}
_STREETS = (
    "Mill Lane", "Station Road", "Church Street", "Victoria Road", "High Street",
    "Orchard Close", "Park Avenue", "Bridge Street", "The Green", "Castle Hill",
)  # fmt: skip
_TRADES = ("Gifts", "Interiors", "Homeware", "Trading", "Emporium", "& Daughters", "Stores")
_UK_TOWNS = (
    ("London", "N1"), ("Leeds", "LS6"), ("Bristol", "BS3"), ("York", "YO31"), ("Norwich", "NR2"),
    ("Cardiff", "CF24"), ("Glasgow", "G12"), ("Belfast", "BT9"), ("Exeter", "EX4"),
    ("Sheffield", "S10"), ("Brighton", "BN2"), ("Durham", "DH1"), ("Inverness", "IV2"),
    ("Truro", "TR1"), ("Oxford", "OX4"),
)  # fmt: skip
_TOWNS = {
    "AU": (("Sydney", "2000"), ("Melbourne", "3000")),
    "AT": (("Wien", "1070"), ("Graz", "8010")),
    "BE": (("Bruxelles", "1000"), ("Gent", "9000")),
    "CH": (("Zürich", "8004"), ("Bern", "3011")),
    "CY": (("Nicosia", "1010"), ("Limassol", "3036")),
    "DE": (("Hamburg", "20357"), ("München", "80469"), ("Leipzig", "04109"), ("Köln", "50667")),
    "DK": (("København", "1620"), ("Aarhus", "8000")),
    "ES": (("Madrid", "28004"), ("Valencia", "46001"), ("Sevilla", "41001")),
    "FI": (("Helsinki", "00120"), ("Turku", "20100")),
    "FR": (("Lyon", "69002"), ("Paris", "75011"), ("Nantes", "44000"), ("Lille", "59800")),
    "IE": (("Dublin", "D08 X2R4"), ("Cork", "T12 K8AF"), ("Galway", "H91 E2K3")),
    "IT": (("Bologna", "40121"), ("Torino", "10121")),
    "JP": (("Tokyo", "150-0001"), ("Kyoto", "604-8001")),
    "NL": (("Utrecht", "3511 AB"), ("Haarlem", "2011 AA")),
    "NO": (("Oslo", "0152"), ("Bergen", "5003")),
    "PL": (("Kraków", "31-011"), ("Gdańsk", "80-831")),
    "PT": (("Porto", "4050-253"), ("Lisboa", "1100-148")),
    "SE": (("Göteborg", "411 06"), ("Malmö", "211 20")),
    "US": (("Portland, OR", "97205"), ("Burlington, VT", "05401")),
}


@dataclass(frozen=True, slots=True)
class Person:
    """An invented customer: a company for about one number in four."""

    name: str
    email: str
    is_company: bool
    lines: str
    city: str
    postcode: str


class _Dice:
    """Choices that depend on the number alone."""

    def __init__(self, number: str) -> None:
        self._number = number
        self._throws = 0

    def below(self, sides: int) -> int:
        self._throws += 1
        digest = hashlib.sha256(f"{self._number}/{self._throws}".encode()).digest()
        return int.from_bytes(digest[:4]) % sides

    def pick(self, choices: Sequence[str]) -> str:
        return choices[self.below(len(choices))]


def person(number: str, country: str) -> Person:
    """The invented customer of a number, living in a country (ISO code, empty when unknown)."""
    dice = _Dice(number)
    first, last = (dice.pick(names) for names in _ABROAD.get(country, (_FIRST, _LAST)))
    is_company = dice.below(4) == 0
    name = f"{last} {dice.pick(_TRADES)}" if is_company else f"{first} {last}"
    lines = f"{dice.below(180) + 1} {dice.pick(_STREETS)}"
    city, postcode = _place(dice, country)
    return Person(name, f"customer-{number}@example.com", is_company, lines, city, postcode)


def _place(dice: _Dice, country: str) -> tuple[str, str]:
    if country == "GB":
        town, area = _UK_TOWNS[dice.below(len(_UK_TOWNS))]
        inward = "".join("ABDEFGHJLNPQRSTUWXYZ"[dice.below(20)] for _ in range(2))
        return town, f"{area} {dice.below(9) + 1}{inward}"
    towns = _TOWNS.get(country)
    return towns[dice.below(len(towns))] if towns else ("", "")
