"""Decoding of RECORD messages: straight into the record types of their streams where these have a fast path."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.audience.subscription import Subscription
    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.output_streams import Stream
    from target_sendgrid.singer.source_stream import SourceStream

_MAX_STREAMS = 100
"""Most streams whose records are decoded here: for each stream added, the decoder is rebuilt for all of them."""


class _NoMessage(msgspec.Struct, tag_field="stream", tag="\0"):
    """A type for no message at all, since a union needs members. No stream has control characters in its name."""


class MessageRoute(NamedTuple):
    """What becomes of the messages of one type."""

    source: SourceStream
    stream: Stream | None
    """The output stream of the fast path."""
    fast: FastPath | None
    """The fast path; ``None`` if the records are decoded for the slow path, or not at all if they are ignored."""
    subscription: Subscription | None
    """Which people of the output stream have unsubscribed."""


class FastDecoder:
    """Decodes RECORD messages. The type of the result identifies the stream.

    Its type is a union of one message type per stream, with the stream's name as the tag, so msgspec finds the type of
    the record while it reads the line. Where the type does not say more, values are decoded as on the slow path.
    """

    def __init__(self) -> None:
        self.routes: dict[type[msgspec.Struct], MessageRoute] = {}
        """What becomes of the messages of each type."""
        self._types: dict[str, type[msgspec.Struct]] = {}
        self.decode: Callable[[bytes], Any] = self._rebuild_and_decode
        """Decodes a line. Other lines than RECORD messages of known streams are errors."""

    def add(self, source: SourceStream) -> None:
        """Start to decode the records of a stream, in place of an earlier one of the same name.

        There is a limit: the records of further streams are errors like all other lines. Streams with a fast path take
        the places of others.
        """
        self.remove(source.name)
        fast = source.fast if source.fast is not None and not source.fast.is_paused else None
        if len(self._types) >= _MAX_STREAMS:
            others = (route.source.name for route in self.routes.values() if route.fast is None)
            name = next(others, None) if fast is not None else None
            if name is None:
                return
            self.remove(name)
        fields: list[Any] = [("type", Literal["RECORD"])]
        if fast is not None:
            fields.append(("record", fast.record_type))
        elif not source.is_ignored:
            fields.append(("record", dict[str, Any]))
        message_type = msgspec.defstruct("Message", fields, tag_field="stream", tag=source.name, gc=False)
        self._types[source.name] = message_type
        stream = source.routes[0].stream if source.routes else None
        self.routes[message_type] = MessageRoute(source, stream, fast, stream.subscription if stream else None)

    def remove(self, name: str) -> None:
        """Stop to decode the records of a stream."""
        message_type = self._types.pop(name, None)
        if message_type is not None:
            del self.routes[message_type]
        self.decode = self._rebuild_and_decode

    def _rebuild_and_decode(self, line: bytes) -> Any:  # noqa: ANN401 - a message type
        """Build the decoder for the present streams and decode a line with it."""
        types = (*self._types.values(), _NoMessage)
        decoder = msgspec.json.Decoder(Union[types], float_hook=Decimal)  # noqa: UP007 - a union of types that are known at run time only
        self.decode = decoder.decode
        return self.decode(line)
