"""The contract that the target and the sandbox keep: SendGrid's API as far as they use it, in our own words.

The files in `documents/` hold JSON Schemas (2020-12) of all requests and answers, under `$defs`, and beside them the
operations that use these schemas, with examples. The request of an example keeps its schema also where the answer is an
error, so it does not always show what the error is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

import yaml
from jsonschema_rs import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "documents"
GENERAL = "general.yml"

Json = dict[str, Any]


class Schema:
    """A schema that needs no other: it holds all schemas that it refers to."""

    def __init__(self, json: Json) -> None:
        self.json = json

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.json, validate_formats=True)

    def breaches(self, value: Any) -> list[str]:
        """Return what is wrong with a value, and where. The text may quote the value."""
        if self._validator.is_valid(value):
            return []
        return [f"{_place(error.instance_path)}{error.message}" for error in self._validator.iter_errors(value)]


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: Method and path template, e.g. `GET /v3/marketing/lists/{id}`.
        path: Schema of the object of all path parameters; each value is a text.
        query: Schema of the object of all query parameters; each value is a text.
        request: Schema of the body; `None` means that there is none.
        own: Schema of each answer that is special to the operation, by status; `None` means an empty body.
        general: Schema of each answer that any operation may give.
        answer_headers: Schema of the headers of an answer, by names in lower case.
        examples: Each has a status and may have a path, a query, a request and an answer.
    """

    name: str
    path: Schema
    query: Schema
    request: Schema | None
    own: Mapping[int, Schema | None]
    general: Mapping[int, Schema | None]
    answer_headers: Schema
    examples: tuple[Json, ...]

    @property
    def answers(self) -> dict[int, Schema | None]:
        return {**self.general, **self.own}

    def parameters(self, method: str, path: str) -> dict[str, str] | None:
        """Return the path parameters of a request, or `None` if it is one of another operation."""
        own_method, _, template = self.name.partition(" ")
        parts, given = template.split("/"), path.split("/")
        if method != own_method or len(parts) != len(given):
            return None
        found = {}
        for part, value in zip(parts, given, strict=True):
            if part.startswith("{"):
                found[part.strip("{}")] = unquote(value)
            elif part != value:
                return None
        return found

    def address(self, example: Json) -> str:
        """Return path and query of an example."""
        path = self.name.partition(" ")[2]
        for name, value in example.get("path", {}).items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        query = urlencode(example.get("query", {}))
        return f"{path}?{query}" if query else path


class Documents:
    """The files, and what is in them.

    Args:
        files: The parsed content of each file, by its name.
    """

    def __init__(self, files: Mapping[str, Json]) -> None:
        self.files = files
        self.general = files[GENERAL]

    def schema(self, reference: str, file: str = GENERAL) -> Schema:
        """Return the schema at a place such as `general.yml#/$defs/Errors`. A name alone would be one of `file`."""
        return Schema(self._complete({"$ref": reference}, file))

    def operations(self) -> dict[str, Operation]:
        """Return every operation by its name."""
        return {
            name: self._operation(name, described, file)
            for file, document in self.files.items()
            for name, described in document.get("operations", {}).items()
        }

    def _operation(self, name: str, described: Json, file: str) -> Operation:
        path = name.partition(" ")[2]
        parameters = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        headers = [place for start, place in self.general["answer_headers"].items() if path.startswith(start)]
        return Operation(
            name=name,
            path=self.schema(described["path"], file) if "path" in described else _texts(*parameters),
            query=self.schema(described["query"], file) if "query" in described else _texts(),
            request=self.schema(described["request"], file) if "request" in described else None,
            own=self._answers(described, file),
            general=self._answers(self.general, GENERAL),
            answer_headers=self.schema(headers[0]) if headers else Schema({}),
            examples=tuple(described["examples"]),
        )

    def _answers(self, described: Json, file: str) -> dict[int, Schema | None]:
        return {
            status: None if place is None else self.schema(place, file)
            for status, place in described["answers"].items()
            if status != "$comment"
        }

    def _complete(self, node: Any, file: str) -> Any:
        """Put the schemas in place of the references to them."""
        if isinstance(node, list):
            return [self._complete(item, file) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" not in node:
            return {key: self._complete(value, file) for key, value in node.items()}
        named, _, name = node["$ref"].partition("#/$defs/")
        return self._complete(self.files[named or file]["$defs"][name], named or file)


def _texts(*names: str) -> Schema:
    """Return the schema of an object that has these properties, all of them texts that are not empty."""
    properties = {name: {"type": "string", "minLength": 1} for name in names}
    return Schema({"type": "object", "required": [*names], "properties": properties, "additionalProperties": False})


def _place(path: list[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{text.removeprefix('.')}: " if text else ""


@cache
def documents() -> Documents:
    """Return the contract of this repository."""
    files = sorted(FOLDER.glob("*.yml"))
    return Documents({file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files})
