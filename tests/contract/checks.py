"""Checks of HTTP exchanges against the contract."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tests.contract.documents import Documents, documents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.documents import Operation, Schema

FIRST_ERROR_STATUS = 400
JSON = "application/json"


class ContractError(AssertionError):
    """An exchange breaks the contract. The message may quote the data."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. Only path and query of `url` are checked, the host may be any."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: bytes | None
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes


class Contract:
    """Checks exchanges. Every check raises a `ContractError` at a breach."""

    def __init__(self, source: Documents) -> None:
        self.operations = source.operations()
        self._limits = source.general["limits"]
        self._request_headers = source.schema(source.general["request_headers"])

    def check(self, exchange: Exchange, *, is_request_checked: bool = True) -> None:
        """Check an answer, and the request unless it was refused."""
        self.check_answer(exchange)
        if is_request_checked and exchange.status < FIRST_ERROR_STATUS:
            self.check_request(exchange)

    def check_request(self, exchange: Exchange) -> None:
        """Check a request, whatever its answer was."""
        operation = self.operation(exchange)
        parts = urlsplit(exchange.url)
        headers = _lower(exchange.request_headers)
        body = exchange.request_body or b""
        parameters = parse_qsl(parts.query, keep_blank_values=True)
        line = f"{exchange.method} {parts.path}{'?' if parts.query else ''}{parts.query} HTTP/1.1"
        breaches = [
            *_about("request's header ", self._request_headers.breaches(headers)),
            *_about("path: ", operation.path.breaches(operation.parameters(exchange.method, parts.path))),
            *_about("query: ", operation.query.breaches(dict(parameters))),
            *_about("request: ", _breaches_of_body(operation.request, body, headers)),
        ]
        if len(dict(parameters)) < len(parameters):
            breaches.append("query: a parameter is repeated")
        if len(line) > self._limits["request_line_bytes"]:
            breaches.append(f"the request line is longer than {self._limits['request_line_bytes']} bytes")
        if len(body) > self._limits["body_bytes"]:
            breaches.append(f"request: larger than {self._limits['body_bytes']} bytes")
        _require_none(exchange, breaches)

    def check_answer(self, exchange: Exchange) -> None:
        """Check an answer."""
        operation = self.operation(exchange)
        answers = operation.answers
        if exchange.status not in answers:
            raise _error(exchange, ["the contract has no answer of this status"])
        headers = _lower(exchange.response_headers)
        _require_none(
            exchange,
            [
                *_about("answer's header ", operation.answer_headers.breaches(headers)),
                *_about("answer: ", _breaches_of_body(answers[exchange.status], exchange.response_body, headers)),
            ],
        )

    def operation(self, exchange: Exchange) -> Operation:
        """Return the operation of an exchange; among several that fit, the one with the fewest parameters.

        Raises:
            ContractError: There is none.
        """
        path = urlsplit(exchange.url).path
        fitting = [
            operation
            for operation in self.operations.values()
            if operation.parameters(exchange.method, path) is not None
        ]
        if not fitting:
            raise _error(exchange, ["the contract has no such operation"])
        return min(fitting, key=lambda operation: operation.name.count("{"))


def _breaches_of_body(schema: Schema | None, body: bytes, headers: Mapping[str, str]) -> list[str]:
    if schema is None:
        return ["there must be no body"] if body else []
    if headers.get("content-type", "").partition(";")[0] != JSON:
        return [f"the content type is not {JSON}"]
    try:
        value: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ["not JSON"]
    return schema.breaches(value)


def _about(subject: str, breaches: list[str]) -> list[str]:
    return [subject + breach for breach in breaches]


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _require_none(exchange: Exchange, breaches: list[str]) -> None:
    if breaches:
        raise _error(exchange, breaches)


def _error(exchange: Exchange, breaches: list[str]) -> ContractError:
    path = urlsplit(exchange.url).path
    return ContractError(f"{exchange.method} {path} -> {exchange.status}: {'; '.join(breaches)}")


@cache
def contract() -> Contract:
    """Return the contract of this repository."""
    return Contract(documents())
