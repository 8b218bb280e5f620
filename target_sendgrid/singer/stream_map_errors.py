"""The SDK's errors about stream maps as sentences: they name properties, and never quote expressions or values.

The SDK's own texts quote both, and most name no property. So the property is taken from where the SDK raised the error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import StreamMapConfigError

from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_MAPPER = "singer_sdk.mapper"
_FLATTENING = "singer_sdk.helpers._flattening"


def map_problem(stream: str, error: Exception) -> str:
    """Return what is wrong with the stream maps or the flattening of a stream, by the SDK's error about its SCHEMA."""
    frames = [*_sdk_frames(error)]
    variables = frames[-1].f_locals if frames else {}
    name = variables.get("key_property", variables.get("prop_key"))
    where = f"of stream '{shown(stream)}'"
    if frames and frames[-1].f_globals["__name__"] == _FLATTENING and isinstance(error, ValueError):
        return (
            f"Flattening gives properties {where} the same name. Set `flattening_separator` to other characters, or"
            " remove one of them with the tap's catalog."
        )
    if name is None:
        return f"The stream map {where} can't be used ({type(error).__name__}). Check the setting `stream_maps`."
    name = shown(str(name))
    if isinstance(error, StreamMapConfigError):
        return (
            f'The stream map {where} leaves out its key property \'{name}\'. Add `"{name}": "{name}"` to it, or set'
            " its `__key_properties__` to other properties, or to null for none."
        )
    why = f"({type(error).__name__}). Check the setting `stream_maps`."
    return f"The stream map {where} can't be used for property '{name}' {why}"


def map_failure(error: Exception) -> str:
    """Return which expression failed on a record, by the error that it raised."""
    frame = next((frame for frame in _sdk_frames(error) if "property_name" in frame.f_locals), None)
    why = f"failed on the record ({type(error).__name__})."
    if frame is None:
        return f"A stream map or flattening {why}"
    name = frame.f_locals["property_name"]
    expression = "`__filter__`" if name is None else f"property '{shown(name)}'"
    missing: Any = error.__cause__
    if type(missing).__name__ == "NameNotDefined":
        why = f"names '{shown(missing.name)}', which the record lacks."
    return f"The stream map's expression for {expression} {why}"


def _sdk_frames(error: Exception) -> Iterator[FrameType]:
    """Yield the calls of the SDK's mapper and flattening through which an error was raised, the outermost first."""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_globals["__name__"] in {_MAPPER, _FLATTENING}:
            yield traceback.tb_frame
        traceback = traceback.tb_next
