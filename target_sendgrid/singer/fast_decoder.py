"""Decoding of RECORD messages straight into the record types of their streams: the start of the fast path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Union

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.run import Stream

_MAX_STREAMS = 100
"""Most streams on the fast path: for each stream added, the decoder is rebuilt for all of them."""


class _NoMessage(msgspec.Struct, tag_field="stream", tag="\0"):
    """A type for no message at all, since a union needs members. No stream has control characters in its name."""


class FastDecoder:
    """Decodes RECORD messages of the streams that have a fast path. The type of the result identifies the stream.

    Its type is a union of one message type per stream, with the stream's name as the tag, so msgspec finds the type of
    the record while it reads the line.
    """

    def __init__(self) -> None:
        self.targets: dict[type[msgspec.Struct], tuple[Stream, FastPath]] = {}
        """The stream and the fast path of each message type that is in use."""
        self._types: dict[str, type[msgspec.Struct]] = {}
        self._rebuild()

    def add(self, name: str, stream: Stream, fast: FastPath) -> None:
        """Start to decode the records of a stream, unless there are too many streams already.

        Args:
            name: Name of the stream in the tap's messages.
            stream: The stream that the records go to.
            fast: The fast path of the stream.
        """
        if len(self._types) >= _MAX_STREAMS:
            return
        fields: list[Any] = [("type", Literal["RECORD"]), ("record", fast.record_type)]
        message_type = msgspec.defstruct("Message", fields, tag_field="stream", tag=name, gc=False)
        self._types[name] = message_type
        self.targets[message_type] = (stream, fast)
        self._rebuild()

    def remove(self, name: str) -> None:
        """Stop to decode the records of a stream: its message type has no target any more."""
        message_type = self._types.pop(name, None)
        if message_type is not None:
            del self.targets[message_type]

    def _rebuild(self) -> None:
        types = (*self._types.values(), _NoMessage)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(Union[types]).decode  # noqa: UP007 - a union of types that are known at run time only
