"""The plain SDK target with our requests at start: it asks for the key's scopes, the custom fields and the list."""

from __future__ import annotations

from typing import Any

import requests

from tools.benchmarks.plain_sdk import API, SECONDS, PlainTarget


class CheckingTarget(PlainTarget):
    """Makes the requests that our target makes before the first record, and only checks that they succeed."""

    name = "checking-sdk"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self.config['api_key']}"
            for path in ("/v3/scopes", f"{API}/field_definitions", f"{API}/lists/{self.config['list_id']}"):
                session.get(self.config["api_url"] + path, timeout=SECONDS).raise_for_status()


if __name__ == "__main__":
    CheckingTarget.cli()
