"""Input of customers: what is known of one, checked where it is typed."""

from __future__ import annotations

from typing import Any

from django import forms

from orders.models.customers import Customer
from orders.services.customers import CustomerEdit
from orders.services.errors import BadPhone, BadVatId
from orders.services.identity import clean_phone, clean_vat_id


class CustomerForm(forms.Form):
    """What staff may write on a customer."""

    name = forms.CharField(label="Name", max_length=200, required=False)
    email = forms.EmailField(label="Mail", max_length=254, required=False)
    country = forms.RegexField(
        label="Country", regex="^[A-Z]{2}$", required=False, help_text="Two letters, such as GB."
    )
    phone = forms.CharField(
        label="Telephone", max_length=40, required=False, help_text="Such as +44 1225 460000."
    )
    postcode = forms.CharField(label="Postcode", max_length=20, required=False)
    kind = forms.ChoiceField(label="Kind", choices=Customer.Kind.choices)
    company = forms.CharField(
        label="Company", max_length=200, required=False, help_text="Whom a person buys for."
    )
    vat_id = forms.CharField(
        label="VAT id",
        max_length=30,
        required=False,
        help_text="With its country, such as GB980780684. Its check digits are checked.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        country = given.get("country", "")
        for name, clean in (("phone", clean_phone), ("vat_id", clean_vat_id)):
            try:
                given[name] = clean(given.get(name, ""), country)
            except (BadPhone, BadVatId) as error:
                self.add_error(name, str(error))
        self._check_company(given)
        return given

    def _check_company(self, given: dict[str, Any]) -> None:
        """A VAT id is a company's, and what stands for a company's name reads like one."""
        is_company = given.get("kind") == Customer.Kind.COMPANY
        named = given.get("name") if is_company else given.get("company")
        field = "name" if is_company else "company"
        if (is_company or given.get("vat_id")) and not named and field not in self.errors:
            self.add_error(field, "Say what the company is called.")
        elif named and not any(letter.isalpha() for letter in named):
            self.add_error(field, "A company's name has letters in it.")
        vat_id, country = given.get("vat_id", ""), given.get("country", "")
        letters = {"GR": ("EL",), "GB": ("GB", "XI")}.get(country, (country,))
        if vat_id and country and vat_id[:2] not in letters:
            self.add_error("vat_id", f"This VAT id is of {vat_id[:2]}, the customer of {country}.")


def edit_of(values: dict[str, Any]) -> CustomerEdit:
    """What a valid form asks for."""
    return CustomerEdit(**{name: values[name] for name in CustomerForm.base_fields})
