"""The examples of the contract as exchanges, and ways to break them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from tests.contract.checks import JSON, ContractError, Exchange, contract
from tests.contract.documents import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.documents import Json, Operation

Place: TypeAlias = tuple[str | int, ...]
"""Where a value is inside a JSON document: names of properties and indexes of items."""

HEADERS = {"Authorization": "Bearer SG.made.up"}
RATE_LIMITS = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "599", "X-RateLimit-Reset": "41"}


class Example(NamedTuple):
    """An example of an operation, and its content as the documents have it."""

    operation: Operation
    content: Json

    @property
    def status(self) -> int:
        status: int = self.content["status"]
        return status

    def exchange(self, **changes: Any) -> Exchange:
        """Return the exchange, with other values for some of `path`, `query`, `request` and `answer`."""
        content = self.content | changes
        marked = {"Content-Type": JSON}
        request = msgspec.json.encode(content["request"]) if "request" in content else None
        answer = msgspec.json.encode(content["answer"]) if "answer" in content else b""
        return Exchange(
            method=self.operation.name.partition(" ")[0],
            url=self.operation.address(content),
            request_headers=HEADERS | marked if request else HEADERS,
            request_body=request,
            status=self.status,
            response_headers=RATE_LIMITS | marked if answer else RATE_LIMITS,
            response_body=answer,
        )

    def __str__(self) -> str:
        return f"{self.operation.name} {self.status}"


def _every_example() -> Iterator[Example]:
    for operation in documents().operations().values():
        for content in operation.examples:
            yield Example(operation, content)
    yield from general_examples(documents().operations()["GET /v3/marketing/lists"])


def general_examples(operation: Operation) -> Iterator[Example]:
    """Yield examples of the answers that any operation may give, as examples of this one unless it has its own."""
    request = {name: value for name, value in operation.examples[0].items() if name != "answer"}
    for content in documents().general["examples"]:
        if content["status"] in operation.own:
            continue
        yield Example(operation, request | content)


EXAMPLES = tuple(_every_example())
"""Every example. The answers that any operation may give are there as those of one of them."""


def example(operation: str, status: int) -> Example:
    """Return the first example of an operation with this status."""
    return next(one for one in EXAMPLES if (one.operation.name, one.status) == (operation, status))


def is_kept(one: Example, part: str, value: Any) -> bool:
    """Return whether an example keeps the contract with another `query`, `request` or `answer`."""
    changed = one.exchange(**{part: value})
    try:
        contract().check_answer(changed) if part == "answer" else contract().check_request(changed)
    except ContractError:
        return False
    return True


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Return the places of a document and of every value inside it."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*at, key))


def value_at(document: Any, place: Place) -> Any:
    """Return the value at a place."""
    for part in place:
        document = document[part]
    return document


def replaced(document: Any, place: Place, value: Any) -> Any:
    """Return a copy of a document with another value at a place."""
    if not place:
        return value
    key, *rest = place
    copy = document.copy()
    copy[key] = replaced(document[key], tuple(rest), value) if rest else value
    return copy


def dropped(document: Any, place: Place) -> Any:
    """Return a copy of a document without the property at a place."""
    parent = value_at(document, place[:-1])
    return replaced(document, place[:-1], {key: value for key, value in parent.items() if key != place[-1]})
