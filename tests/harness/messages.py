"""Singer messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def singer(*messages: Mapping[str, Any] | str) -> bytes:
    """Return Singer messages as lines. A text is a line as it is."""
    lines = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    return "".join(f"{line}\n" for line in lines).encode()


def state(number: int) -> dict[str, Any]:
    """Return a STATE message."""
    return {"type": "STATE", "value": {"n": number}}


def schema(stream: str = "people", **properties: Any) -> dict[str, Any]:
    """Return a SCHEMA message. A property given as text is nullable and of that type."""
    declared = {
        name: {"type": [value, "null"]} if isinstance(value, str) else value for name, value in properties.items()
    }
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": declared},
        "key_properties": [],
    }


def record(stream: str = "people", **values: Any) -> dict[str, Any]:
    """Return a RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": values}


PEOPLE = schema(email="string", first_name="string", score="number")
"""The SCHEMA of most runs in tests."""

LAST_STATE = state(9)
"""The last message of the tap in most runs in tests: all records come before it."""
