"""What a dry run tells: what a run would do, by stream, and its first contacts with their values masked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from target_sendgrid.wording import counted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SHOWN_CONTACTS = 3
"""Number of contacts of each stream that are shown with their values masked."""

_REQUESTS_PER_MINUTE = 200
"""Most requests with contacts that SendGrid takes in a minute (seen in recordings of 2021)."""
_JOB_SECONDS = 60
"""How long SendGrid usually needs for an import job."""
_MASK = "•••"
_EMAIL_FIELDS = ("email", "alternate_emails")
"""Fields whose values are email addresses. In any other text, what follows an ``@`` may be somebody's name."""
_SHORTEST_SHOWN = 3
"""Shorter texts are masked whole: their first letter would be half of them."""


class Effect(str, Enum):
    """What a run would do to a contact."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass
class StreamPreview:
    """What a run would do to the contacts of one stream, as far as look-ups tell."""

    looked_up: int = 0
    """Number of contacts that were looked up."""
    weights: Counter[Effect] = field(default_factory=Counter)
    """For how many contacts those that were looked up stand."""
    contacts: list[str] = field(default_factory=list)
    """The first contacts, masked."""

    @property
    def is_full(self) -> bool:
        """Whether no more contacts are to be shown."""
        return len(self.contacts) >= SHOWN_CONTACTS

    def add(self, effect: Effect, *, weight: float) -> None:
        """Count a contact that was looked up.

        Args:
            effect: What a run would do to it.
            weight: For how many contacts of its batch it stands.
        """
        self.looked_up += 1
        self.weights[effect] += weight  # type: ignore[assignment]  # counters take any number

    def counts(self, contact_count: int) -> dict[Effect, int]:
        """Return how many contacts a run would create, update and leave as they are: their sum is the number given."""
        total = sum(self.weights.values())
        if not total:
            return {}
        created, updated = (
            round(contact_count * self.weights[effect] / total) for effect in (Effect.CREATED, Effect.UPDATED)
        )
        updated = min(updated, contact_count - created)
        unchanged = contact_count - created - updated
        return {Effect.CREATED: created, Effect.UPDATED: updated, Effect.UNCHANGED: unchanged}

    def summary(self, contact_count: int) -> str:
        """Return the counts for people, as the end of a sentence; empty if nobody was looked up."""
        counts = self.counts(contact_count)
        if not counts:
            return ""
        is_sampled = self.looked_up < contact_count
        about, sample = ("about ", f", by a sample of {self.looked_up:,}") if is_sampled else ("", "")
        return f" ({about}{', '.join(f'{count:,} {effect.value}' for effect, count in counts.items())}{sample})"


@dataclass
class DryRunReport:
    """What a run would do."""

    streams: dict[str, StreamPreview] = field(default_factory=dict)
    request_count: int = 0
    """Number of requests with contacts."""
    byte_count: int = 0
    contact_count: int = 0
    new_lists: list[str] = field(default_factory=list)

    def stream(self, name: str) -> StreamPreview:
        """Return what is known of a stream."""
        return self.streams.setdefault(name, StreamPreview())

    @property
    def estimated_seconds(self) -> int:
        """How long SendGrid's limits would make a run take, beside what the tap takes."""
        if not self.request_count:
            return 0
        return (self.request_count - 1) // _REQUESTS_PER_MINUTE * 60 + _JOB_SECONDS

    def summary(self, new_fields: list[str]) -> Iterator[str]:
        """Yield sentences for people.

        Args:
            new_fields: Custom fields that a run would create.
        """
        for names, noun in ((self.new_lists, "list"), (new_fields, "custom field")):
            if names:
                yield f"A run would create {counted(len(names), noun)}: {', '.join(map(shown, names))}."
        if self.request_count:
            sent = f"{counted(self.contact_count, 'contact')} in {counted(self.request_count, 'request')}"
            yield (
                f"A run would send {sent} ({counted(self.byte_count, 'byte')}). With SendGrid's limits and its import"
                f" jobs that takes about {counted(self.estimated_seconds // 60, 'minute')}, if the tap is not slower."
            )

    def preview(self) -> Iterator[str]:
        """Yield the first contacts of each stream, masked."""
        for name, stream in self.streams.items():
            if stream.contacts:
                yield f"The first contacts of stream '{shown(name)}', masked:"
                yield from (f"  {contact}" for contact in stream.contacts)

    def to_dict(self, contact_counts: Mapping[str, int]) -> dict[str, Any]:
        """Return the report as plain values for JSON, without the contacts.

        Args:
            contact_counts: Number of contacts that a run would send, by stream.
        """
        return {
            "requests": self.request_count,
            "bytes": self.byte_count,
            "estimated_seconds": self.estimated_seconds,
            "new_lists": self.new_lists,
            "streams": {
                name: {
                    "looked_up": stream.looked_up,
                    **{effect.value: count for effect, count in stream.counts(contact_counts.get(name, 0)).items()},
                }
                for name, stream in self.streams.items()
            },
        }


def masked(contact: Mapping[str, Any], field_name: Callable[[str], str]) -> str:
    """Return a contact with its values masked: at most the first letter of a text is left.

    Args:
        contact: The contact, as it would be sent.
        field_name: Returns the name of a custom field, given its id.
    """
    fields = [(name, _masked(value, is_email=name in _EMAIL_FIELDS)) for name, value in _reserved(contact)]
    fields += [(field_name(key), _masked(value)) for key, value in (contact.get("custom_fields") or {}).items()]
    return ", ".join(f"{shown(name)}: {value}" for name, value in fields)


def _reserved(contact: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in contact.items() if name != "custom_fields")


def _masked(value: object, *, is_email: bool = False) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_masked(item, is_email=is_email) for item in value)}]"
    if not isinstance(value, str):
        return _MASK
    if not value:
        return '""'
    return _masked_email(value) if is_email else _masked_text(value)


def _masked_email(value: str) -> str:
    local, at, domain = value.rpartition("@")
    if not at:
        return _masked_text(value)
    name, dot, top = domain.rpartition(".")
    is_plain = dot and top.isascii() and top.isalpha()
    return f"{_masked_text(local)}@{_masked_text(name)}.{top}" if is_plain else f"{_masked_text(local)}@{_MASK}"


def _masked_text(text: str) -> str:
    """Return the first character and a mask. In scripts other than Latin, one character may be a whole name."""
    is_shown = len(text) >= _SHORTEST_SHOWN and text[0].isascii() and text[0].isalnum()
    return f"{text[0]}{_MASK}" if is_shown else _MASK
