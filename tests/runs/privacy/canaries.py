"""Canaries: records in which every value is a unique marker, and the search for these markers in what a run writes."""

from __future__ import annotations

import base64
import functools
import itertools
import json
from typing import TYPE_CHECKING, Any

from tests.harness.messages import record, schema, singer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECRET = "Qx7Zr2Lm9Kt4Wv8Bn3Hs6Jd1Fp5Gc0Y"  # noqa: S105 - a key of the sandbox
KEY = f"SG.privacy-tests.{SECRET}"
_SLICE = 8

_numbers = itertools.count(1)
MARKERS: list[str] = []
"""Texts that no run may show, in lower case."""


def word() -> str:
    """Return a new marker."""
    MARKERS.append(f"zq{next(_numbers):04}canary")
    return MARKERS[-1]


def mail() -> str:
    """Return a new email address that contains a marker."""
    return f"{word()}@example.com"


def number(*, is_fraction: bool = False) -> float:
    """Return a new number whose digits are a marker."""
    digits = 739_148_000 + next(_numbers)
    MARKERS.append(str(digits))
    return digits + 0.5 if is_fraction else digits


def date() -> str:
    """Return a new date-time whose time of day is unique; the whole is a marker."""
    index = next(_numbers)
    time = f"{index // 60 % 24:02}:{index % 60:02}:37"
    MARKERS.append(f"1893-07-14t{time}")
    MARKERS.append(f"1893-07-14 {time}")
    return f"1893-07-14T{time}Z"


def person(**changes: Any) -> dict[str, Any]:
    """Return a profile in which all values are new markers."""
    return {
        "id": word(),
        "mail": mail(),
        "others": [mail(), mail()],
        "given": word(),
        "phone": str(number()),
        "home": {"street": word(), "place": {"city": word(), "codes": [word(), number()]}},
        "since": date(),
        "score": number(is_fraction=True),
        "points": number(),
        "tags": [word(), {"deep": [word(), date()]}],
        "note": word(),
        **changes,
    }


_TEXT = ["string", "null"]
PROPERTIES: dict[str, Any] = {
    "id": {"type": _TEXT},
    "mail": {"type": ["string", "array", "object", "null"]},
    "others": {"type": ["array", "null"]},
    "given": {"type": _TEXT},
    "phone": {"type": _TEXT},
    "home": {"type": ["object", "null"]},
    "since": {"type": _TEXT, "format": "date-time"},
    "score": {"type": ["number", "string", "null"]},
    "points": {"type": ["integer", "null"]},
    "tags": {"type": ["array", "null"]},
    "note": {"type": _TEXT},
    "tier": {"enum": ["gold", None]},
}
MAPPING = {
    "email": "mail", "alternate_emails": "others", "first_name": "given", "phone_number": "phone",
    "external_id": "id", "city": "home.place.city", "since": "since", "score": "score", "points": "points",
    "tags": "tags", "note": "note", "home": "home",
}  # fmt: skip
CONFIG: dict[str, Any] = {
    "list_name": "Everybody",
    "streams": {
        "people": {"field_mapping": MAPPING},
        "changed": {"field_mapping": MAPPING},
        "plain": {"field_mapping": {"email": "mail", "first_name": "given"}},
    },
    "create_custom_fields": True,
    "max_rejected_percent": 100,
    "batch_size_rows": 3,
    "job_timeout_seconds": 1,
    "request_timeout_seconds": 5,
    "stream_maps": {
        "changed": {"note": "note[:4] + str(int(given))", "__filter__": "note"},
        "people": {"__filter__": "True if given else given"},
    },
    "stream_map_config": {"hint": "nothing"},
}
STATES = [{"bookmark": word(), "at": date()}, {"bookmark": word(), "nested": {"last": mail()}}]
PEOPLE = [person() for _ in range(4)]
BAD = [
    person(mail=f"{word()} no address"),
    person(mail=f"{word()}@nowhere"),
    person(mail=[word()]),
    person(mail={word(): word()}),
    person(mail=None, id=None),
    person(given=word() * 20),
    person(since=f"{word()} yesterday"),
    person(score=f"{word()} points"),
    person(tags=[word() * 200]),
    person(others=[mail() for _ in range(7)]),
    person(tier=word()),
    person(points=f"{word()} many"),
    {name: value for name, value in person().items() if name != "id"},
    f"{word()} text",
]
PLAIN_PROPERTIES = {"mail": {"type": "string"}, "given": {"type": _TEXT}}
"""Properties of a stream whose good records are read on the fast path."""
PLAIN = [{"mail": mail(), "given": word()}, {"mail": f"{word()} no address", "given": word()}, {"mail": mail()}]
ODD_LINES = [
    f'{{"type": "RECORD", "stream": "people", "rekord": "{word()}"}}',
    f'{{"type": "RECORD", "stream": "people", "record": {{"mail": "{mail()}", "score": NaN, "note": "{word()}"}}}}',
    f'{{"type": "RECORD", "stream": "people", "record": {{"mail": "{mail()}", "note": "\\ud800{word()}"}}}}',
    f'{{"type": "RECORD", "stream": "people", "record": {{"note": {"[" * 3000}"{word()}"{"]" * 3000}}}}}',
]
ENDINGS = {
    "half a line": f'{{"type": "RECORD", "stream": "people", "record": {{"mail": "{mail()}',
    "no type": f'{{"type": "{word()}"}}',
    "no schema": f'{{"type": "SCHEMA", "stream": "people", "schema": "{word()}"}}',
    "a text": f'"{word()}"',
    "bytes": f"\x00\x01{word()}",
    "no stream": f'{{"type": "RECORD", "record": {{"mail": "{mail()}"}}}}',
    "another stream": f'{{"type": "RECORD", "stream": "unknown", "record": {{"mail": "{mail()}"}}}}',
    "a wrong batch": f'{{"type": "BATCH", "stream": "people", "encoding": {{"format": "{word()}"}}, "manifest": []}}',
    "a lost batch": '{"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl", "compression": "gzip"},'
    f' "manifest": ["file:///nowhere/{word()}"]}}',
    "a wrong state": f'{{"type": "STATE", "valeu": "{word()}"}}',
}  # fmt: skip
DELETED_ROWS = "deleted rows"
"""An ending that is no mistake."""
GONE = [
    {**values, "_sdc_deleted_at": date()} for values in (PEOPLE[0], person(mail=None), person(id=None, points=None))
]
CONSENT: dict[str, Any] = {
    "on_delete": "erase",
    "subscription_property": "given",
    "unsubscribed_values": [
        values["given"] for values in (*PEOPLE[:2], BAD[0], PLAIN[0], *GONE[1:]) if isinstance(values, dict)
    ],
}
"""Settings with which some of the people have unsubscribed, and those in `GONE` are erased."""


def messages(ending: str = "") -> bytes:
    """Return what a tap writes: good and bad records, states, and at the end one of `ENDINGS` or `GONE`, if any."""
    schemas = [schema(stream, **PROPERTIES) | {"key_properties": ["id"]} for stream in ("people", "changed")]
    schemas.append(schema("plain", **PLAIN_PROPERTIES))
    good = [record("people", **values) for values in PEOPLE[:3]]
    bad = [{"type": "RECORD", "stream": "people", "record": values} for values in BAD]
    state = [{"type": "STATE", "value": value} for value in STATES]
    changed = [record("changed", **PEOPLE[3]), record("changed", **{**PEOPLE[3], "given": "7"})]
    plain = [record("plain", **values) for values in PLAIN]
    last: list[Any] = [ENDINGS[ending]] if ending in ENDINGS else []
    if ending == DELETED_ROWS:
        last = [*(record("people", **values) for values in GONE), state[1]]
    return singer(*schemas, *good, state[0], *bad, *ODD_LINES, *changed, *plain, state[1], *last)


def needles() -> Iterator[str]:
    """Yield every text that no run may show, in lower case: all markers, and the key, in slices and encoded."""
    yield from MARKERS
    secret = SECRET.lower()
    yield from (secret[start : start + _SLICE] for start in range(len(secret) - _SLICE + 1))
    for text in (KEY, SECRET, f"Bearer {KEY}"):
        for shift in range(3):  # base64 encodes three bytes at a time: the text may begin at any of them
            yield base64.b64encode(text[shift:].encode()).decode()[:-4].lower()


def found_in(texts: Iterable[str]) -> set[str]:
    """Return the needles that are in texts."""
    shown = "\n".join(texts).lower()
    return {needle for needle in _all_needles() if needle in shown}


@functools.cache
def _all_needles() -> frozenset[str]:
    return frozenset(needles())  # all markers exist by then: tests make them when they are imported


def is_state(line: str) -> bool:
    """Return whether a line is one of the states that the tap wrote."""
    return json.loads(line) in STATES
