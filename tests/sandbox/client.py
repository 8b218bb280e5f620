"""A plain HTTP client of a sandbox, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from tests.contract.checks import Exchange, contract

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from target_sendgrid.sandbox.server import SandboxServer

MARKETING = "/v3/marketing"
TIMEOUT_SECONDS = 30
NOT_OF_AN_OPERATION = frozenset({405, 414})
"""Statuses that the contract does not have: of a wrong method, and of a request line that is too long."""


class Client:
    """Calls a sandbox with its first key and remembers every exchange."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.exchanges: list[Exchange] = []
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {sandbox.api_key}"
        self._session.headers["Sandbox-Token"] = sandbox.token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def call(  # noqa: PLR0913 - what a request has, by keyword
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        is_lawful: bool = True,
        is_answer_checked: bool = True,
    ) -> requests.Response:
        """Call the sandbox and check the exchange against the contract.

        Args:
            method: HTTP method.
            path: Path and query.
            body: Body, sent as JSON.
            data: Body as bytes.
            headers: Headers besides the key.
            is_lawful: Whether the request keeps the contract; where it breaks it, only the answer is checked.
            is_answer_checked: Whether the contract has the answer; a switch or a fault may make it one that it has not.
        """
        response = self._session.request(
            method, self.sandbox.url + path, json=body, data=data, headers=headers, timeout=TIMEOUT_SECONDS
        )
        if path.startswith("/v3/"):
            sent = response.request.body
            exchange = Exchange(
                method,
                self.sandbox.url + path,
                dict(response.request.headers),
                sent.encode() if isinstance(sent, str) else sent,
                response.status_code,
                dict(response.headers),
                response.content,
            )
            self.exchanges.append(exchange)
            if is_answer_checked and response.status_code not in NOT_OF_AN_OPERATION:
                contract().check(exchange, is_request_checked=is_lawful)
        return response

    def errors(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, list[tuple[Any, str]]]:
        """Call; return the status and the (field, message) pairs of the errors."""
        response = self.call(method, path, body, **more)
        return response.status_code, [(entry.get("field"), entry["message"]) for entry in response.json()["errors"]]

    def make_list(self, name: str = "People") -> str:
        identity: str = self.call("POST", f"{MARKETING}/lists", {"name": name}).json()["id"]
        return identity

    def make_field(self, name: str, kind: str) -> str:
        """Make a custom field and wait until it can be used."""
        document = {"name": name, "field_type": kind}
        identity: str = self.call("POST", f"{MARKETING}/field_definitions", document).json()["id"]
        self.sandbox.advance(self.sandbox.options.field_ready_after_seconds)
        return identity

    def put(self, *contacts: dict[str, Any], lists: list[str] | None = None, is_lawful: bool = True) -> str:
        """Queue an upsert; return the job's id."""
        body: dict[str, Any] = {"contacts": list(contacts)}
        if lists is not None:
            body["list_ids"] = lists
        response = self.call("PUT", f"{MARKETING}/contacts", body, is_lawful=is_lawful)
        assert response.status_code == 202, response.text
        identity: str = response.json()["job_id"]
        return identity

    def refused(self, *contacts: Any, **more: Any) -> tuple[int, list[tuple[Any, str]]]:
        """Queue an upsert that must be refused; return status and errors."""
        assert not self.sandbox.jobs()
        found = self.errors("PUT", f"{MARKETING}/contacts", {"contacts": list(contacts), **more})
        assert not self.sandbox.jobs()
        return found

    def job(self, identity: str) -> dict[str, Any]:
        document: dict[str, Any] = self.call("GET", f"{MARKETING}/contacts/imports/{identity}").json()
        return document

    def upsert(
        self, *contacts: dict[str, Any], lists: list[str] | None = None, is_lawful: bool = True
    ) -> dict[str, Any]:
        """Queue an upsert and move the clock to its end; return the final job."""
        identity = self.put(*contacts, lists=lists, is_lawful=is_lawful)
        self.sandbox.settle()
        return self.job(identity)

    def start_export(self, *list_ids: str, **more: Any) -> str:
        """Start an export of some lists; return its id."""
        order = {"list_ids": list(list_ids), "file_type": "json", "notifications": {"email": False}, **more}
        response = self.call("POST", f"{MARKETING}/contacts/exports", order)
        assert response.status_code == 202, response.text
        identity: str = response.json()["id"]
        return identity

    def export(self, *list_ids: str, **more: Any) -> dict[str, Any]:
        """Export some lists and move the clock to the end; return the status."""
        path = f"{MARKETING}/contacts/exports/{self.start_export(*list_ids, **more)}"
        self.sandbox.settle()
        document: dict[str, Any] = self.call("GET", path).json()
        return document

    def find(self, email: str) -> dict[str, Any]:
        """Read one contact by its email."""
        found = self.call("POST", f"{MARKETING}/contacts/search/emails", {"emails": [email]}).json()
        contact: dict[str, Any] = found["result"][email.lower()]["contact"]
        return contact

    def reasons(self, job: dict[str, Any]) -> str:
        """Download the errors file of a job."""
        return requests.get(job["results"]["errors_url"], timeout=TIMEOUT_SECONDS).text
