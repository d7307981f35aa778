"""Where goods cross a customs border."""

from __future__ import annotations

# One customs territory. Great Britain and Northern Ireland share the code GB: a parcel to Belfast
# is treated as one within the country.
UNION = frozenset(
    {
        *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE"),
        *("IT", "LV", "LT", "LU", "MC", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
    }
)


def crosses_border(sender: str, receiver: str) -> bool:
    """Whether a parcel between two countries needs customs data; an unknown one counts as home."""
    if not sender or not receiver or sender == receiver:
        return False
    return not (sender in UNION and receiver in UNION)
