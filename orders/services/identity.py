"""How customers are written so that one can be told from another: mail, telephone, VAT id."""

from __future__ import annotations

import phonenumbers
from stdnum import exceptions as stdnum
from stdnum.eu import vat
from stdnum.gb import vat as gb_vat

from orders.services.errors import BadPhone, BadVatId


def clean_phone(text: str, country: str = "") -> str:
    """A telephone number as E.164 (`+441225460000`), empty for none; raises BadPhone.

    `country` (ISO code) says how to read a number without its country's prefix.
    """
    if not text.strip():
        return ""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException as error:
        raise BadPhone(
            "This is no telephone number. Write it with its country, such as +44 1225 460000."
        ) from error
    if not phonenumbers.is_valid_number(number):
        raise BadPhone("No telephone has this number. Look for a digit too many or too few.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def clean_vat_id(text: str, country: str = "") -> str:
    """A VAT id with its country's letters (`GB980780684`), empty for none; raises BadVatId.

    Form and check digits are checked, not whether the company still exists. `country` (ISO code)
    is put before a number without letters.
    """
    plain = "".join(letter for letter in text.upper() if letter.isalnum() or letter in "+*")
    if not plain:
        return ""
    if plain[:1].isdigit() and country:
        plain = {"GR": "EL"}.get(country, country) + plain
    try:
        if plain.startswith("GB"):
            return "GB" + str(gb_vat.validate(plain))
        return str(vat.validate(plain))
    except stdnum.InvalidLength as error:
        raise BadVatId("This VAT id has too many or too few characters.") from error
    except stdnum.InvalidChecksum as error:
        raise BadVatId("This VAT id is mistyped: its check digits do not fit.") from error
    except stdnum.ValidationError as error:
        raise BadVatId(
            "This is no VAT id. Write it with its country, such as GB980780684 or DE136695976."
        ) from error
