"""Names that are meant for a reserved field or an identifier: other words for one, and slips of the pen.

SendGrid can't rename custom fields, and an account may have 500 of them. So a name that is almost certainly meant for a
reserved field makes no new one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from target_sendgrid.sendgrid import fields
from target_sendgrid.wording import is_one_letter_away, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SYNONYMS: Mapping[str, str] = {
    "mail": "email",
    "emailaddress": "email",
    "mailaddress": "email",
    "givenname": "first_name",
    "forename": "first_name",
    "fname": "first_name",
    "familyname": "last_name",
    "surname": "last_name",
    "lname": "last_name",
    "address": "address_line_1",
    "address1": "address_line_1",
    "street": "address_line_1",
    "streetaddress": "address_line_1",
    "address2": "address_line_2",
    "town": "city",
    "state": "state_province_region",
    "province": "state_province_region",
    "stateprovince": "state_province_region",
    "zip": "postal_code",
    "zipcode": "postal_code",
    "postcode": "postal_code",
    "phone": "phone_number",
    "phoneno": "phone_number",
    "telephone": "phone_number",
    "telephonenumber": "phone_number",
}
"""Other words for reserved fields, without capitals and separators."""

_SHORTEST_MISSPELT = 8
"""Shortest name of a field, in letters, that counts as meant when a letter differs."""

_NEARNESS = 0.85
"""How much of the names of a new and of a reserved field must be the same for a warning that the new one is misspelt.

It is 0.9 for `frist_name` and `first_name`, but 0.83 for `work_phone_number` and `phone_number`.
"""


def meant_field(name: str, mapped: Collection[object] = ()) -> str | None:
    """Return the reserved field or identifier that a name is almost certainly meant for, or ``None``.

    Args:
        name: A name that no contact field has.
        mapped: Fields that the stream fills: a name that differs from one of them in a letter is not meant for it.
    """
    bare = _bare(name)
    if bare in _SYNONYMS:
        return _SYNONYMS[bare]
    known = {_bare(field): field for field in fields.MAX_LENGTHS}
    if bare in known:
        return known[bare]
    return next((field for other, field in known.items() if field not in mapped and _is_slip(bare, other)), None)


def near_field(name: str) -> str | None:
    """Return the reserved field or identifier that may be meant by a name that makes a field, or ``None``."""
    bare = _bare(name)
    slips = (field for field in fields.MAX_LENGTHS if is_one_letter_away(bare, _bare(field)))
    return next(slips, None) or nearest(name, fields.MAX_LENGTHS, nearness=_NEARNESS)


def _is_slip(name: str, field: str) -> bool:
    return len(field) >= _SHORTEST_MISSPELT and is_one_letter_away(name, field)


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
