"""A field mapping for the streams of a tap as text: a part of `meltano.yml`, with the reasons, or a JSON config."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from target_sendgrid.mapping.field_proposals import proposals
from target_sendgrid.mapping.stream_names import doubt_about
from target_sendgrid.mapping.suggestions import suggestions
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_sendgrid.mapping.field_proposals import FieldProposal
    from target_sendgrid.mapping.suggestions import Suggestion

StreamSchema: TypeAlias = "tuple[str, Mapping[str, Any], Mapping[str, Any] | None]"
"""Name of a stream, its JSON schema, and the JSON schema of what some records have, if they were looked at."""

_MAX_PROPOSALS = 15
"""Most custom fields that are proposed for a stream."""

_MAX_OTHERS = 3

_MAX_LIST_NAME = 100

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_]+)*\Z")
"""Matches texts that need no quotes in YAML, apart from `_WORDS`."""

_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that mean something else in YAML without quotes."""

_VARIABLE = re.compile(r"\$(?=\{\w+\}|[A-Z])")
"""Matches the start of what Meltano takes for a variable."""

_HEAD = """\
# A mapping for target-sendgrid, by names and types of the tap's properties. Check it, and put it into meltano.yml.
plugins:
  loaders:
  - name: target-sendgrid
    config:
"""
_ANY_LIST = "People"
"""Name of a list where the name of a stream gives none."""


class _StreamMapping(msgspec.Struct, frozen=True):
    """What is suggested for a stream."""

    name: str
    fields: Mapping[str, Suggestion]
    new_fields: list[FieldProposal]

    @property
    def has_email(self) -> bool:
        return "email" in self.fields

    @property
    def why_not(self) -> str | None:
        """Why nothing of the stream should be sent as it is; ``None`` if it should."""
        if self.has_email:
            doubt = doubt_about(self.name)
            return doubt and f"{doubt}; to send it all the same, take this line away"
        advice = "; to send it, map an identifier such as external_id" if self.fields else ""
        return f"by name and type, no property is the email of a person{advice}"

    @property
    def key(self) -> str:
        """The stream's name as a key of `streams`: Meltano loses dots in keys, so a pattern matches them."""
        return self.name.replace(".", "*")

    @property
    def list_name(self) -> str:
        words = " ".join(re.split(r"[-_.\s]+", self.name)).strip()
        return (words[:1].upper() + words[1:])[:_MAX_LIST_NAME] or _ANY_LIST


def as_meltano_yml(streams: Iterable[StreamSchema]) -> str:
    """Return a part of ``meltano.yml`` with a mapping for each stream, and comments that say why."""
    mappings = list(_mappings(streams))
    lines = [] if _has_lists(mappings) else [f"list_name: {_ANY_LIST}  # of none of the streams below"]
    lines += ["streams:", *(f"  {line}" for stream in mappings for line in _stream_lines(stream))]
    return _HEAD + "".join(f"      {line}\n" for line in lines)


def as_json_config(streams: Iterable[StreamSchema]) -> str:
    """Return a config file with a mapping for each stream."""
    mappings = list(_mappings(streams))
    config: dict[str, Any] = {} if _has_lists(mappings) else {"list_name": _ANY_LIST}
    config["streams"] = {stream.key: _entry(stream) for stream in mappings}
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _entry(stream: _StreamMapping) -> dict[str, Any]:
    """Return the settings of a stream."""
    entry: dict[str, Any] = {} if stream.why_not is None else {"enabled": False}
    if stream.has_email:
        entry["list_name"] = stream.list_name
        entry["field_mapping"] = {field: one.source for field, one in stream.fields.items()}
    return entry


def _has_lists(mappings: Iterable[_StreamMapping]) -> bool:
    """Return whether any stream has a list. If not, the settings need one all the same."""
    return any(stream.has_email for stream in mappings)


def _mappings(streams: Iterable[StreamSchema]) -> Iterator[_StreamMapping]:
    """Yield what is suggested for each stream. A custom field has one type in all of them."""
    types: dict[str, str] = {}
    for name, schema, sample in streams:
        found = suggestions(schema, sample)
        new_fields = []
        for proposal in proposals(schema, sample, found) if "email" in found else []:
            kind = proposal.field_type.value
            if types.setdefault(proposal.name, kind) == kind:
                new_fields.append(proposal)
            else:
                other = msgspec.structs.replace(proposal, name=f"{proposal.name[:90]}_{kind.lower()}")
                new_fields.append(other)
        yield _StreamMapping(name, found, new_fields)


def _stream_lines(stream: _StreamMapping) -> Iterator[str]:
    yield f"{_yaml(stream.key)}:"
    if stream.why_not is not None:
        yield f"  enabled: false  # {stream.why_not}"
    if not stream.has_email:
        return
    yield f"  list_name: {_value(stream.list_name)}"
    yield "  field_mapping:"
    for field, one in stream.fields.items():
        yield f"    {field}: {_value(one.source)}  # {_why(field, one)}"
    if not stream.new_fields:
        return
    yield "    # Custom fields, if you need them: take the `#` away, and set `create_custom_fields: true`."
    for new in stream.new_fields[:_MAX_PROPOSALS]:
        yield f"    # {_yaml(new.name)}: {{property: {_value(new.source)}, type: {new.field_type.value}}}"
    left_out = len(stream.new_fields) - _MAX_PROPOSALS
    if left_out > 0:
        yield f"    # Not shown here: {left_out:,} more."
    yield "  # custom_fields: all  # in place of these, a field for each property with a single value, by its name"


def _why(field: str, one: Suggestion) -> str:
    """Return why a property is suggested for a field: by what in its name, where it is, and rather than what."""
    name = next(step for step in reversed(one.path) if isinstance(step, str))
    if name == field:
        reason = "the same name"
    elif re.sub(r"[\W_]", "", name).lower() == field.replace("_", ""):
        reason = "the same name in other letters"
    else:
        reason = f"its name says '{one.words}'"
    if 0 in one.path:
        reason += ", the first one"
    if one.others:
        reason += f"; less likely: {', '.join(map(shown, one.others[:_MAX_OTHERS]))}"
    return reason


def _value(text: str) -> str:
    """Return a text as a value of ``meltano.yml``, in which Meltano replaces variables."""
    return _yaml(_VARIABLE.sub(r"\\$", text))


def _yaml(text: str) -> str:
    """Return a text as YAML."""
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if shown(char) == char else f"\\U{ord(char):08x}"
