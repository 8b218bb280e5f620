#!/usr/bin/env python3
"""A small Singer tap for the demo: reads profiles from JSON lines, one file per audience. It needs nothing but Python.

It remembers the newest ``updated_at`` of each audience, so a second run with its state sends only what is newer.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

AUDIENCES = ("newsletter_subscribers", "recent_customers")
STATE_EVERY = 100

_TEXT = {"type": ["string", "null"]}
SCHEMA = {
    "type": "object",
    "properties": {
        "customer_id": {"type": "integer"},
        "profile_email": _TEXT,
        "given_name": _TEXT,
        "family_name": _TEXT,
        "home_address": {
            "type": ["object", "null"],
            "properties": {"street": _TEXT, "city": _TEXT, "postcode": _TEXT, "country": _TEXT},
        },
        "loyalty_tier": _TEXT,
        "lifetime_value": {"type": ["number", "null"]},
        "last_purchase_at": _TEXT | {"format": "date-time"},
        "marketing_consent": {"type": ["boolean", "null"]},
        "updated_at": {"type": "string", "format": "date-time"},
    },
    "required": ["customer_id", "updated_at"],
}


def main() -> None:
    """Write the Singer messages of all audiences to standard output."""
    parser = argparse.ArgumentParser(description="Reads sample profiles for the demo.")
    parser.add_argument("--config", type=Path, help='JSON file with the folder of the profiles: {"folder": "..."}')
    parser.add_argument("--state", type=Path, help="JSON file with the state of an earlier run")
    arguments = parser.parse_args()
    config = json.loads(arguments.config.read_text(encoding="utf-8")) if arguments.config else {}
    state = json.loads(arguments.state.read_text(encoding="utf-8")) if arguments.state else {}
    folder = Path(config.get("folder") or Path(__file__).resolve().parent / "profiles")
    bookmarks = dict(state.get("bookmarks") or {})
    for audience in AUDIENCES:
        write_audience(audience, folder / f"{audience}.jsonl", bookmarks)


def write_audience(audience: str, path: Path, bookmarks: dict[str, str]) -> None:
    """Write the profiles of one audience that are newer than its bookmark, oldest first."""
    keys = {"key_properties": ["customer_id"], "bookmark_properties": ["updated_at"]}
    write({"type": "SCHEMA", "stream": audience, "schema": SCHEMA, **keys})
    profiles = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    since = bookmarks.get(audience, "")
    newer = [profile for profile in profiles if profile["updated_at"] > since]
    for number, profile in enumerate(sorted(newer, key=lambda profile: profile["updated_at"]), 1):
        write({"type": "RECORD", "stream": audience, "record": profile})
        bookmarks[audience] = profile["updated_at"]
        if number % STATE_EVERY == 0 or number == len(newer):
            write({"type": "STATE", "value": {"bookmarks": bookmarks}})


def write(message: dict[str, object]) -> None:
    """Write one Singer message."""
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
