"""A target for comparison, made as from the SDK's template: it does the same work, with the SDK's default checks.

It maps, converts, lower-cases, caps, merges, encodes and sends. It does not read the results of import jobs, write
rejected records, or hold states back.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any, ClassVar

import requests
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target

API = "/v3/marketing"
SECONDS = 60


class PlainSink(BatchSink):
    """Sends a stream's records in batches of 10,000, without a limit on their bytes."""

    max_size = 10_000
    people: ClassVar[set[str]] = set()

    def setup(self) -> None:
        """Look up the custom fields."""
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.config['api_key']}"
        url = self.config["api_url"] + API
        custom_fields = self.session.get(f"{url}/field_definitions", timeout=SECONDS).json()["custom_fields"]
        custom = {field["name"]: (field["id"], field["field_type"]) for field in custom_fields}
        self.clears = self.config.get("null_handling") == "clear"
        self.fields = [
            (*custom.get(field, (field, "Text")), field in custom, source.split("."))
            for field, source in self.config["field_mapping"].items()
        ]

    def start_batch(self, context: dict[str, Any]) -> None:
        """Start an empty batch."""
        context["contacts"] = {}

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Map a record, and merge it with the contact of the same person in the batch."""
        contact: dict[str, Any] = {}
        custom_fields: dict[str, Any] = {}
        for key, field_type, is_custom, path in self.fields:
            value: Any = record
            for step in path:
                if isinstance(value, dict):
                    value = value.get(step)
                else:
                    value = value[int(step)] if isinstance(value, list) and len(value) > int(step) else None
            if value is None or (value == "" and field_type != "Text"):
                if not self.clears or field_type != "Text":
                    continue
                value = ""
            (custom_fields if is_custom else contact)[key] = _converted(value, field_type)
        if "email" in contact:
            contact["email"] = contact["email"].strip().lower()
        person = contact.get("email") or contact.get("external_id")
        if not person:
            self.logger.warning("A record has no identifier.")
            return
        if custom_fields:
            contact["custom_fields"] = custom_fields
        self.people.add(person)
        if len(self.people) > self.config["profile_cap"]:
            message = "Too many profiles"
            raise RuntimeError(message)
        contacts = context["contacts"]
        contacts[person] = {**contacts[person], **contact} if person in contacts else contact

    def process_batch(self, context: dict[str, Any]) -> None:
        """Send a batch."""
        body = {"list_ids": [self.config["list_id"]], "contacts": list(context["contacts"].values())}
        url = f"{self.config['api_url']}{API}/contacts"
        self.session.put(url, json=body, timeout=SECONDS).raise_for_status()


def _converted(value: Any, field_type: str) -> Any:
    if field_type == "Number":
        return float(value)
    if field_type == "Date":
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
        return moment.isoformat()
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), default=float)  # decimals are what the SDK reads fractions as
    return str(value) if isinstance(value, (int, Decimal)) else value


class PlainTarget(Target):
    """A target with nothing but the SDK's own loop."""

    name = "plain-sdk"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType),
        th.Property("api_key", th.StringType),
        th.Property("list_id", th.StringType),
        th.Property("profile_cap", th.IntegerType),
        th.Property("null_handling", th.StringType),
        th.Property("field_mapping", th.ObjectType(additional_properties=th.StringType)),
    ).to_dict()
    default_sink_class = PlainSink


if __name__ == "__main__":
    PlainTarget.cli()
