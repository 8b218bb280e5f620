"""The field mapping of a stream: makes a contact of each record."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.sendgrid.contact import trimmed
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.sendgrid.contact import Contact

log = logging.getLogger("target-sendgrid.mapping")

NOT_CLEARABLE: Any = object()
"""Value of `MappedField.empty` for fields that SendGrid cannot clear."""

_NOTHING: Any = msgspec.UNSET
"""Value of a property that a record does not have, and of a field that is left out. JSON has no such value."""


class MappedField(msgspec.Struct, frozen=True):
    """One contact field and the property of a record that fills it."""

    key: str
    """Name of the field in the contact, or the id of a custom field."""
    path: Path
    """Steps to the property."""
    convert: Callable[[Any, str], Any]
    """Converts a value, or returns ``None`` to leave the field out. The second argument is the label."""
    empty: Any
    """Value that clears the field, or `NOT_CLEARABLE`."""
    label: str
    """Name of the property and the field, for sentences and the log."""
    is_custom: bool = False
    is_listed: bool = True
    """Whether the schema lists the property. Otherwise records may have it or not."""
    plain_length: int = 0
    """Texts of 1 up to this many characters need no conversion; 0 where every value needs it."""


class FieldMapping:
    """Makes contacts of the records of one stream.

    Args:
        mapped: The fields, resolved against the schema and the account.
        clears_nulls: Whether a null clears a field.
    """

    def __init__(self, mapped: Sequence[MappedField], *, clears_nulls: bool) -> None:
        self.fields = mapped
        self.clears_nulls = clears_nulls
        self._sources = [(field, str(field.path[0]) if len(field.path) == 1 else None) for field in mapped]
        """Each field with the name of its property; ``None`` instead where the property is inside another one."""
        self._warned: set[str] = set()
        """Labels of the fields that a warning has named."""
        self._identifiers = [field for field in mapped if field.key in IDENTIFIERS]
        self._identity_fields = [field for field in mapped if field.key in (*IDENTIFIERS, "alternate_emails")]
        self._awaited = {field.label: field for field in mapped if not field.is_listed}
        """Fields whose property the schema does not list, and that no record has had yet, by label."""
        self._has_seen_records = False

    def never_came(self) -> list[str]:
        """Return the labels of fields whose property neither the schema lists nor any record has had.

        The list is empty as long as there was no record.
        """
        return list(self._awaited) if self._has_seen_records else []

    def came(self) -> set[str]:
        """Return the labels of fields whose property the schema does not list, and some record has had."""
        return {field.label for field in self.fields if not field.is_listed} - self._awaited.keys()

    def contact(self, record: Mapping[str, Any]) -> Contact:
        """Return the contact of a record.

        Zero, false, an empty text and null differ: zero and false are values, an empty text clears a text field, and a
        null is left out or clears the field, as the setting says. A text of blanks is empty for a number or a date.

        Raises:
            RecordRejectedError: A value cannot be converted, or nothing identifies the contact.
        """
        if self._awaited:
            self.note_record()
            for field in [field for field in self._awaited.values() if _has(record, field.path)]:
                del self._awaited[field.label]
        contact: Contact = {}
        custom_fields: dict[str, Any] = {}
        for field, name in self._sources:
            value = value_at(record, field.path) if name is None else record.get(name, _NOTHING)
            is_plain = type(value) is str and 0 < len(value) <= field.plain_length
            if not is_plain:
                value = self._converted(value, field)
            if value is not _NOTHING:
                (custom_fields if field.is_custom else contact)[field.key] = value
        if not self._is_identified(contact):
            raise self._unidentified()
        if custom_fields:
            contact["custom_fields"] = custom_fields
        return contact

    def identifiers(self, record: Mapping[str, Any]) -> Contact:
        """Return the identifiers of a record alone. No other field is converted or checked.

        An identifier that cannot be converted is left out if there is another one.

        Raises:
            RecordRejectedError: Nothing identifies the contact.
        """
        contact: Contact = {}
        problem: RecordRejectedError | None = None
        for field in self._identifiers:
            try:
                value = self._converted(value_at(record, field.path), field)
            except RecordRejectedError as error:
                problem = problem or error
                continue
            if value is not _NOTHING:
                contact[field.key] = value
        if not self._is_identified(contact):
            raise problem or self._unidentified()
        return contact

    def identity_values(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values in a record of the fields that show who somebody is, as they are there.

        A phone number that can be converted has its normal form, since people know it in several.
        """
        values = {field.key: value_at(record, field.path) for field in self._identity_fields}
        for field in self._identifiers:
            if field.key == "phone_number_id":
                with contextlib.suppress(RecordRejectedError):
                    values[field.key] = self._converted(values[field.key], field)
        return values

    def reader(self, field: MappedField, rest: Path) -> Callable[[Any], Any]:
        """Return a function that reads one field out of a value of a record, for the fast path.

        The function takes any JSON value or ``UNSET``, returns ``None`` where the field is left out, and raises
        `RecordRejectedError` as `contact` does.

        Args:
            field: The field.
            rest: Steps from the value to the property of the field.
        """
        most, awaited = field.plain_length, self._awaited

        def read(outer: Any) -> Any:  # noqa: ANN401 - any JSON value
            value = value_at(outer, rest) if rest else outer
            if type(value) is str and 0 < len(value) <= most:
                return value
            value = self._converted(value, field)
            return None if value is _NOTHING else value

        def read_and_note(outer: Any) -> Any:  # noqa: ANN401 - any JSON value
            if field.label in awaited and _has({"outer": outer}, ("outer", *rest)):
                del awaited[field.label]
            return read(outer)

        return read if field.is_listed else read_and_note

    def note_record(self) -> None:
        """Note that there was a record."""
        self._has_seen_records = True

    def leave_out(self, field: MappedField) -> None:
        """Leave out a field that SendGrid cannot clear, for an empty value. The first one is warned of."""
        if field.label not in self._warned:
            self._warned.add(field.label)
            log.warning(
                "%s is empty in some records. SendGrid has no way to clear a number, a date or an identifier: the field"
                " keeps its value there.",
                field.label,
            )

    def _converted(self, value: Any, field: MappedField) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value of a field for a value of its property, or `_NOTHING` where the field is left out."""
        if value is _NOTHING or (value is None and not self.clears_nulls):
            return _NOTHING
        is_blank = field.empty is NOT_CLEARABLE and isinstance(value, str) and not trimmed(value)
        if not (value is None or value == "" or is_blank):
            converted = field.convert(value, field.label)
            return _NOTHING if converted is None else converted
        if field.empty is NOT_CLEARABLE:
            self.leave_out(field)
            return _NOTHING
        return field.empty

    def _unidentified(self) -> RecordRejectedError:
        names = " or ".join(field.label for field in self._identifiers)
        return RecordRejectedError(Reason.NO_IDENTIFIER, f"Nothing identifies the contact: {names} is empty.")

    def _is_identified(self, contact: Contact) -> bool:
        """Remove empty identifiers from a contact and return whether it has any other."""
        is_identified = False
        for field in self._identifiers:
            if contact.get(field.key):
                is_identified = True
            else:
                contact.pop(field.key, None)
        return is_identified


def value_at(record: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a path of a record, or `_NOTHING`. A null on the way gives a null."""
    value: Any = record
    for step in path:
        if type(value) is dict:
            value = value.get(str(step), _NOTHING)
        elif type(value) is list and (type(step) is int or str(step).isdecimal()):  # the schema need not say "array"
            value = value[int(step)] if int(step) < len(value) else _NOTHING
        else:
            return None if value is None else _NOTHING
    return value


def _has(record: Mapping[str, Any], path: Path) -> bool:
    """Return whether a record has a property, be it null. A null on the way to it is not the property."""
    outer, last = value_at(record, path[:-1]), path[-1]
    return outer is not None and outer is not _NOTHING and value_at({"outer": outer}, ("outer", last)) is not _NOTHING
