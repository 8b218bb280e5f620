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
    from collections.abc import Collection

_SHORTEST_MISSPELT = 8
"""Shortest name of a field, in letters, that counts as meant when a letter differs."""

_SHORT = 4
"""Length of the shortest names of fields: `city` and `line`."""

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
    from target_sendgrid.mapping.property_names import certain_field  # noqa: PLC0415 - only names of no field need it

    certain = certain_field(name)
    if certain is not None:
        return certain
    bare = _bare(name)
    known = {_bare(field): field for field in fields.MAX_LENGTHS}
    if bare in known:
        return known[bare]
    return next((field for other, field in known.items() if field not in mapped and _is_slip(bare, other)), None)


def near_field(name: str) -> str | None:
    """Return the reserved field or identifier that may be meant by a name that makes a field, or ``None``.

    A word of four letters that differs in one of them, such as `link` and `line`, is another word.
    """
    bare = _bare(name)
    slips = (
        field
        for field in fields.MAX_LENGTHS
        if is_one_letter_away(bare, _bare(field)) and (len(bare) != len(field) or len(bare) > _SHORT)
    )
    return next(slips, None) or nearest(name, fields.MAX_LENGTHS, nearness=_NEARNESS)


def _is_slip(name: str, field: str) -> bool:
    return len(field) >= _SHORTEST_MISSPELT and is_one_letter_away(name, field)


def _bare(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()
