"""The fast path from a line to a contact: msgspec reads, validates and encodes, and one generated function converts.

It takes good records of plain streams and gives exactly what the slow path (`FieldMapping`) would give. All other
records, bad or just unusual ones, are left to the slow path, which decides about them and words the errors.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.mapping.field_mapping import NOT_CLEARABLE, value_at
from target_sendgrid.mapping.record_sources import UNCHANGED
from target_sendgrid.mapping.record_types import NoFastPathError, RecordProperty, RecordType
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_sendgrid.mapping.field_mapping import FieldMapping, MappedField
    from target_sendgrid.mapping.record_sources import RecordSources
    from target_sendgrid.mapping.schemas import Path

_TEXT_ONLY = frozenset({"string", "null"})

_OWN_NAMES = frozenset({*IDENTIFIERS, "custom_fields"})
"""Keys that are read from a finished contact. Their attributes have the same names; others are numbered."""

_REVIEWED_RECORDS = 500
"""Number of records after which the fast path is reviewed."""

_FIRST_PAUSE_RECORDS = 10_000
"""Number of records in the first pause of the fast path."""


class RulePaths(NamedTuple):
    """Steps to the properties of a record by which rules of the user decide about it; none for no property."""

    list_choice: Path = ()
    """The property that `FastPath.list_value` returns."""
    membership: Path = ()
    """The property that has to be true."""
    subscription: Path = ()
    """The property that `FastPath.subscription_value` returns."""

    def in_source(self, sources: RecordSources) -> RulePaths:
        """Return the steps in the tap's records."""
        return RulePaths(*(sources.paths.get(path, path) for path in self))

    @property
    def given(self) -> set[Path]:
        """The steps to the properties that there are."""
        return {path for path in self if path}


_NO_RULES = RulePaths()


class FastPath:
    """Makes encoded contacts of the records of one stream.

    Args:
        schema: JSON schema that the records must match, or probably match if they are not validated.
        mapping: The stream's field mapping.
        make_check: Makes a function that returns whether a value may be accepted: all values that it accepts must match
            a part of the schema. It is called for properties whose schemas have rules that no type expresses. ``None``
            if records are not validated.
        sources: Where mapped properties are in the tap's records, and what else is expected of these.
        rules: Properties by which rules of the user decide about a record.

    Raises:
        NoFastPathError: The schema has rules about the record as a whole, or names that only the slow path supports.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        mapping: FieldMapping,
        make_check: Callable[[object], Callable[[Any], bool]] | None,
        sources: RecordSources = UNCHANGED,
        rules: RulePaths = _NO_RULES,
    ) -> None:
        fields = [(field, sources.paths.get(field.path, field.path)) for field in mapping.fields]
        rules = rules.in_source(sources)
        lengths = _text_lengths(fields)
        for path in rules.given - {rules.membership}:
            lengths.setdefault(path, (0, sys.maxsize))
        record_type = RecordType(
            schema,
            sources,
            paths={*(path for _, path in fields), *rules.given},
            lengths=lengths,
            tells_absent=mapping.clears_nulls,
        )
        located = [
            _Located(number, field, *record_type.locate(path), sources.is_flat)
            for number, (field, path) in enumerate(fields)
        ]
        checks = [
            (found.attribute, make_check(found.rules))
            for found in record_type.properties.values()
            if make_check is not None and found.rules is not None
        ]
        if sources.is_flat:
            if any(of.rest for of in located):
                raise NoFastPathError  # inside values of any type, nothing checks what must be absent
            checks += [(of.property.attribute, _is_scalar) for of in located if of.property.json_types is None]
        self.list_value = _value_getter(record_type, rules.list_choice, is_flat=sources.is_flat)
        self.subscription_value = _value_getter(record_type, rules.subscription, is_flat=sources.is_flat)
        self.record_type = record_type.struct
        self.missed = 0
        """Number of records since the last review that had to take the slow path."""
        self.is_paused = False
        """Whether all records should take the slow path for a while."""
        self._pause_records = _FIRST_PAUSE_RECORDS
        self._reviewed_at = 0
        must_be_true = _plain_attribute(record_type, rules.membership) if rules.membership else None
        self._make_contact, self._no_custom_fields = _contact_maker(mapping, located, checks, must_be_true)
        self._other_identifiers = [
            kind for kind in IDENTIFIERS[1:] if any(field.key == kind for field in mapping.fields)
        ]

    @functools.cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """Decodes a record that is alone in a line, as in batch files."""
        return msgspec.json.Decoder(self.record_type, float_hook=Decimal).decode

    def contact(self, record: Any) -> tuple[str, bytes] | None:  # noqa: ANN401 - a struct of `record_type`
        """Return the identity and the encoded contact of a record, or ``None`` if it has to take the slow path.

        The slow path is needed if a value breaks a rule, cannot be converted, or is nested too deeply.
        """
        try:
            contact = self._make_contact(record)
        except (RecordRejectedError, RecursionError):
            return None
        except AttributeError:  # a nested value is not an object
            return None
        if contact is None:
            return None
        identity = self._other_identity(contact) if self._other_identifiers else contact.email
        if not identity:
            return None
        if contact.custom_fields == self._no_custom_fields:
            contact.custom_fields = None
        return identity, contacts.encode(contact)

    def review(self, received: int) -> bool:
        """Pause the fast path if most records since the last review missed it, or end a pause that was long enough.

        A record that misses the fast path costs as much as both paths. Each pause is longer than the one before, since
        the records of most streams do not change.

        Args:
            received: Number of records of the stream so far.

        Returns:
            Whether the fast path has been paused or is in use again.
        """
        count = received - self._reviewed_at
        if count < (self._pause_records if self.is_paused else _REVIEWED_RECORDS):
            return False
        was_paused = self.is_paused
        self.is_paused = not was_paused and self.missed * 2 > count
        if was_paused:
            self._pause_records *= 2
        self._reviewed_at, self.missed = received, 0
        return was_paused != self.is_paused

    def _other_identity(self, contact: Any) -> str | None:  # noqa: ANN401 - a generated struct
        """Leave out empty identifiers and return the first other one, as `contacts.identity` does."""
        identity: str | None = getattr(contact, "email", None)
        if identity == "":
            contact.email = identity = None
        for kind in self._other_identifiers:
            value = getattr(contact, kind)
            if not value:
                setattr(contact, kind, None)
            elif identity is None:
                identity = f"{kind} {value}"
        return identity


def fast_path_for(*arguments: Any) -> FastPath | None:  # noqa: ANN401 - those of `FastPath`
    """Return the fast path of a stream, or ``None`` if all its records have to take the slow path."""
    try:
        return FastPath(*arguments)
    except NoFastPathError:
        return None


def _text_lengths(fields: Iterable[tuple[MappedField, Path]]) -> dict[Path, tuple[int, int]]:
    """Return the least and most characters of the texts that need no conversion, by path of the property."""
    lengths: dict[Path, tuple[int, int]] = {}
    for field, path in fields:
        if field.plain_length:
            least, most = lengths.get(path, (0, field.plain_length))
            least = 1 if field.key in IDENTIFIERS else least
            lengths[path] = (least, min(most, field.plain_length))
    return lengths


def _value_getter(record_type: RecordType, path: Path, *, is_flat: bool) -> Callable[[Any], Any]:
    """Return a function that returns the value at a path of a record; ``None`` or ``UNSET`` if there is none.

    Raises:
        NoFastPathError: The path leads into a value of any kind, where flattening would change it.
    """
    if not path:
        return lambda _: None
    found, rest = record_type.locate(path)
    if is_flat and found.json_types is None:
        raise NoFastPathError
    attributes = found.attribute.split(".")

    def get(record: Any) -> Any:  # noqa: ANN401 - a struct, and any JSON value
        value = record
        for attribute in attributes:
            value = getattr(value, attribute, None)
        return value_at(value, rest)

    return get


def _plain_attribute(record_type: RecordType, path: Path) -> str:
    """Return the attribute of a property.

    Raises:
        NoFastPathError: It is inside a value of any kind.
    """
    found, rest = record_type.locate(path)
    if rest:
        raise NoFastPathError
    return found.attribute


def _is_scalar(value: object) -> bool:
    return not isinstance(value, (list, dict))


class _Located(NamedTuple):
    """A field, and the property of the record that fills it or is around what fills it."""

    number: int
    field: MappedField
    property: RecordProperty
    rest: Path
    """Steps from the property to what fills the field."""
    is_flat: bool
    """Whether the field counts as absent in an object that is null."""


def _contact_maker(
    mapping: FieldMapping,
    located: Sequence[_Located],
    checks: Iterable[tuple[str, Callable[[Any], bool]]],
    must_be_true: str | None,
) -> tuple[Callable[[Any], Any], Any]:
    """Generate the function that makes a contact of a record. A loop over the fields would take several times as long.

    Args:
        mapping: The stream's field mapping.
        located: What fills each field.
        checks: Attributes of the record, each with a function that returns whether its value may be accepted.
        must_be_true: Attribute of the record that has to be true; ``None`` for no attribute.

    Returns:
        The function, which returns ``None`` if a value may not be accepted, and the custom fields of a contact that has
        none.
    """
    own = [of.field.key for of in located if not of.field.is_custom]
    custom = [of.field.key for of in located if of.field.is_custom]
    names: dict[str, Any] = {
        "Contact": _struct("Contact", [*own, "custom_fields"]),
        "CustomFields": _struct("CustomFields", custom),
        "UNSET": msgspec.UNSET,
        "note_record": mapping.note_record,
    }
    lines = ["def make_contact(record):"]
    for number, (attribute, check) in enumerate(checks):
        names[f"check{number}"] = check
        lines += [f"    if {_is_there(attribute)} and not check{number}(value):", "        return None"]
    if must_be_true is not None:
        lines += [f"    if not ({_is_there(must_be_true)} and value is True):", "        return None"]
    if not all(of.field.is_listed for of in located):
        lines.append("    note_record()")
    values = {False: "", True: ""}
    for of in located:
        names |= _names_for(of, mapping)
        values[of.field.is_custom] += f"        {_value_expression(of, clears_nulls=mapping.clears_nulls)},\n"
    lines.append(f"    return Contact(\n{values[False]}        CustomFields(\n{values[True]}        ),\n    )\n")
    make_contact = _compiled("make_contact", "\n".join(lines), names)
    return make_contact, names["CustomFields"]()


def _is_there(attribute: str) -> str:
    """Return the condition that a record has a property; it makes ``value`` of its value."""
    conditions = [f"record.{outer} is not None and record.{outer} is not UNSET" for outer in _outer(attribute)]
    return " and ".join([*conditions, f"(value := record.{attribute}) is not UNSET"])


def _outer(attribute: str) -> list[str]:
    """Return the attributes of the objects around a property, from the outermost."""
    steps = attribute.split(".")
    return [".".join(steps[:depth]) for depth in range(1, len(steps))]


def _names_for(of: _Located, mapping: FieldMapping) -> dict[str, Any]:
    """Return the global names that `_value_expression` needs for a field."""
    number, field = of.number, of.field
    names = {f"convert{number}": field.convert, f"label{number}": field.label, f"empty{number}": field.empty}
    if of.property.json_types is None:
        names[f"read{number}"] = mapping.reader(field, of.rest)
    return names | {f"leave_out{number}": functools.partial(mapping.leave_out, field)}


def _value_expression(of: _Located, *, clears_nulls: bool) -> str:
    """Return the expression for the value of a field: ``None`` where the field is left out.

    The record has ``None`` for a null, ``UNSET`` or ``None`` for an absent property (see `RecordType`).
    """
    number, field, found, rest, is_flat = of
    node = f"record.{found.attribute}"
    is_clearable = field.empty is not NOT_CLEARABLE
    of_null = "None"
    if clears_nulls and field.key not in IDENTIFIERS:
        of_null = f"empty{number}" if is_clearable else f"leave_out{number}()"

    def unless_null(place: str, value: str, instead: str = of_null) -> str:
        if clears_nulls:
            return f"None if {place} is UNSET else {instead} if value is None else {value}"
        return f"None if {place} is None else {value}"

    if found.json_types is None and field.plain_length and field.is_listed and not rest:
        is_plain = f"type(value := {node}) is str and 0 < len(value) <= {field.plain_length}"
        result = f"value if {is_plain} else read{number}(value)"
    elif found.json_types is None:
        result = f"read{number}({node})"
    elif not (field.plain_length and found.json_types <= _TEXT_ONLY):
        is_blank = "string" in found.json_types and not is_clearable
        blank = f"leave_out{number}() if value == '' else " if is_blank else ""
        result = unless_null(f"(value := {node})", f"{blank}convert{number}(value, label{number})")
    else:
        result = unless_null(f"(value := {node})", "value") if clears_nulls else node
    for outer in reversed(_outer(found.attribute)):
        result = unless_null(f"(value := record.{outer})", result, "None" if is_flat else of_null)
    return result


def _compiled(name: str, source: str, names: dict[str, Any]) -> Callable[[Any], Any]:
    """Return the function that some source defines, with its lines known to tracebacks.

    Args:
        name: Name of the function.
        source: The source. All its names are numbered or constant: nothing in it comes from a user.
        names: The globals of the function.
    """
    # Equal sources share a file name, so that schemas that change again and again do not fill the memory.
    file_name = f"<generated {name} {hashlib.sha256(source.encode()).hexdigest()[:16]}>"
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)
    exec(compile(source, file_name, "exec"), names)  # noqa: S102 - see `source`
    function: Callable[[Any], Any] = names[name]
    return function


def _struct(name: str, keys: Sequence[str]) -> type[msgspec.Struct]:
    """Return a type that is encoded as an object with some keys, without those whose values are null."""
    attributes = [key if key in _OWN_NAMES else f"f{number}" for number, key in enumerate(keys)]
    fields = [(attribute, Any, None) for attribute in attributes]
    rename = dict(zip(attributes, keys, strict=True))
    return msgspec.defstruct(name, fields, rename=rename, omit_defaults=True, gc=False)
