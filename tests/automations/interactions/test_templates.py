"""All templates of the library together: nothing false is said of them."""

from __future__ import annotations

import pytest

from automations.interactions.checking import check
from automations.interactions.parties import Party
from automations.rules.library import rule_templates
from automations.rules.validating import Registries

# What is true of two templates: a ticket about a large order that is tagged vip is raised by both.
TRUE = {("high-value-ticket", "vip-ticket", "same"), ("vip-ticket", "high-value-ticket", "same")}
# And at different times: two that hold the price of one order, two that write to one customer, and
# what makes an unanswered ticket urgent that was made high when it was opened.
OVER_TIME = {
    ("promotion-too-deep", "large-discount"),
    ("large-discount", "promotion-too-deep"),
    ("welcome-vip", "win-back"),
    ("win-back", "welcome-vip"),
    ("vip-ticket", "unanswered-ticket"),
    ("high-value-ticket", "unanswered-ticket"),
    ("unanswered-ticket", "vip-ticket", "high-value-ticket"),
}


def library() -> list[Party]:
    found = []
    for number, template in enumerate(rule_templates(), 1):
        source = Registries().source(template.document)
        assert source is not None
        found.append(Party(number, template.key, template.document, source, state="live"))
    return found


@pytest.mark.requirement("R6")
def test_the_whole_library_is_told_nothing_false() -> None:
    parties = library()
    assert len(parties) >= 15
    told = {
        (mine.name, *[other.name for other in found.rules], str(found.kind))
        for mine in parties
        for found in check(mine, [other for other in parties if other is not mine])
    }
    assert told == TRUE | {(*names, "over_time") for names in OVER_TIME}


def test_a_template_that_is_used_twice_is_told() -> None:
    for party in library():
        again = Party(999, "again", party.document, party.source)
        assert [str(found.kind) for found in check(again, [party])] == ["duplicate"], party.name
