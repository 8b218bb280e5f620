"""Proposals for custom fields: which other properties of a stream may be of use, and which fields take them."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.mapping.field_types import kinds_of, type_for
from target_sendgrid.mapping.property_names import meaning, words_in
from target_sendgrid.mapping.reserved_names import meant_field
from target_sendgrid.mapping.schemas import property_paths, schema_at
from target_sendgrid.mapping.suggestions import is_found, with_sample
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import FieldType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.mapping.suggestions import Suggestion

_LEFT_OUT = frozenset(
    {
        "id", "ids", "guid", "uuid", "key", "hash", "md5", "sha", "token", "password", "secret", "salt", "ssn", "iban",
        "url", "urls", "uri", "link", "href", "image", "photo", "avatar", "picture", "ip", "etag", "sdc", "smart",
        "email", "emails", "mail", "phone", "mobile", "fax",
    }
)  # fmt: skip
"""Words of names that are of no use to write to people, or that are personal and are not needed for it."""

_OF_ONE_VALUE = frozenset({"boolean", "date", "decimal", "integer", "number", "text"})

_FOREIGN = "source_"
"""What the names of fields begin with that would be taken for a field of SendGrid's own."""

_MAX_NAME = 100


class FieldProposal(msgspec.Struct, frozen=True):
    """A custom field that may be created for a property."""

    name: str
    source: str
    field_type: FieldType


def proposals(
    schema: Mapping[str, Any], sample: Mapping[str, Any] | None, found: Mapping[str, Suggestion]
) -> list[FieldProposal]:
    """Return custom fields for the properties that fill none of SendGrid's own, numbers and dates first.

    They are beside the email, in the same object.

    Args:
        schema: JSON schema of the records.
        sample: JSON schema of what some records have.
        found: The properties that fill SendGrid's own fields.
    """
    known = with_sample(schema, sample)
    email = found.get("email")
    outer: Path = () if email is None or 0 in email.path else email.path[:-1]
    used = {one.source for one in found.values()}
    places = dict.fromkeys([(), outer])
    proposed: dict[str, FieldProposal] = {}
    for path in (path for place in places for path in _scalars(known, place)):
        source, name = ".".join(map(str, path)), _field_name(str(path[-1]))
        if name and source not in used and is_found(path, schema):
            field_type = type_for(schema_at(known, path)).field_type
            proposed.setdefault(name, FieldProposal(name, source, field_type))
    order = [FieldType.NUMBER, FieldType.DATE, FieldType.TEXT]
    return sorted(proposed.values(), key=lambda one: order.index(one.field_type))


def _scalars(schema: Mapping[str, Any], outer: Path) -> Iterator[Path]:
    """Yield the properties of an object that have one value each and may be of use."""
    for name in dict.fromkeys(property_paths(schema_at(schema, outer) or {}, depth=1)):
        words, kinds = words_in(name), kinds_of(schema_at(schema, (*outer, name)) or {})
        is_of_use = words and _LEFT_OUT.isdisjoint(words) and not words[-1].endswith("id") and meaning(words) is None
        if is_of_use and kinds and kinds <= _OF_ONE_VALUE:
            yield (*outer, name)


def _field_name(name: str) -> str:
    """Return the name of a custom field for a property, in lower case with underscores; empty if there is none."""
    ascii_name = unicodedata.normalize("NFKD", name.removesuffix("__c")).encode("ascii", "ignore").decode()
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", ascii_name)
    result = re.sub(r"[^A-Za-z0-9]+", "_", separated).strip("_").lower()
    if not result:
        return ""
    is_taken = result in fields.MAX_LENGTHS or result in fields.READ_ONLY_FIELDS or meant_field(result) is not None
    if is_taken or result[0].isdecimal():
        result = _FOREIGN + result
    return result[:_MAX_NAME]
