"""What the engine itself offers: companies, for what is done once for each, and its own cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from automations.engine import watchdog
from automations.triggers import Country, Scan, labelled, scans
from backoffice.models import LegalEntity

__all__ = ["Companies", "watchdog"]


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    name: str = labelled("Name")
    country: Country = labelled("Country")
    currency: str = labelled("Currency")
    time_zone: str = labelled("Time zone", about="Such as Europe/London.")


@dataclass(frozen=True, slots=True)
class CompanyPayload:
    company: CompanyFacts = labelled("Company")


@scans.register
class Companies(Scan):
    """A rule that is about no record in particular stands here: one run per company and slot."""

    key = subject = "backoffice.legalentity"
    label = "Companies"
    example = "Once for each company of ours."
    payload_class = CompanyPayload
    columns = {
        "company.name": "name",
        "company.country": "country",
        "company.currency": "currency",
        "company.time_zone": "time_zone",
    }

    def rows(self) -> QuerySet[LegalEntity]:
        return LegalEntity.objects.all()

    def current(self, ids: Iterable[int]) -> dict[int, CompanyPayload]:
        return {
            entity.pk: CompanyPayload(
                CompanyFacts(
                    entity.name, Country(entity.country), entity.currency, entity.time_zone
                )
            )
            for entity in LegalEntity.objects.filter(pk__in=set(ids))
        }
