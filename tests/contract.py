"""Checks of HTTP exchanges against the vendor's OpenAPI files, which are not part of this repository.

The files are read from the folder that `SENDGRID_OPENAPI` names, or else from `../shared/openapi` beside the checkout.
Where they contradict what users recorded of the live API, an `Amendment` changes them; a test fails if an amendment is
not needed (`tests/sandbox/test_contract.py`).
"""

from __future__ import annotations

import os
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.exceptions import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOST = "https://api.sendgrid.com"
FILES = {
    "/v3/marketing/contacts": "tsg_mc_contacts_v3.yaml",
    "/v3/marketing/lists": "tsg_mc_lists_v3.yaml",
    "/v3/marketing/field_definitions": "tsg_mc_custom_fields_v3.yaml",
    "/v3/scopes": "tsg_scopes_v3.yaml",
    "/v3/asm": "tsg_suppressions_v3.yaml",
    "/v3/suppression": "tsg_suppressions_v3.yaml",
}
METHODS = frozenset({"get", "put", "post", "patch", "delete"})
FIRST_ERROR_STATUS = 400

Document = dict[str, Any]


class ContractError(AssertionError):
    """An exchange breaks the vendor's contract. The message may quote the data."""


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


@dataclass(frozen=True)
class Amendment:
    """A change to the vendor's files, and the reason: a recording of the live API, or an error in the file."""

    name: str
    reason: str
    apply: Callable[[Document], None]


def _schemas(node: Any) -> list[Document]:
    """Return every JSON object inside a document."""
    if isinstance(node, list):
        return [found for item in node for found in _schemas(item)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for item in node.values() for found in _schemas(item))]


def _operations(document: Document) -> list[Document]:
    return [operation for path in document["paths"].values() for method, operation in path.items() if method in METHODS]


def _nullable(document: Document) -> None:
    for schema in _schemas(document):
        if schema.pop("nullable", False) is True:
            schema["type"] = [schema["type"], "null"]


def _null_error_fields(document: Document) -> None:
    for name in ("ContactsError", "Error", "CustomFieldsError"):
        schema = document.get("components", {}).get("schemas", {}).get(name)
        if schema is not None:
            schema["properties"]["field"] = {"type": ["string", "null"]}


def _undeclared_errors(document: Document) -> None:
    entry = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    schema = {"type": "object", "properties": {"errors": {"type": "array", "items": entry}}, "required": ["errors"]}
    general = {"description": "", "content": {"application/json": {"schema": schema}}}
    for operation in _operations(document):
        for status in ("400", "401", "403", "404", "413", "429", "500"):
            operation["responses"].setdefault(status, general)


def _custom_fields_absent(document: Document) -> None:
    for schema in _schemas(document):
        required = schema.get("required")
        if isinstance(required, list) and "custom_fields" in required:
            required.remove("custom_fields")


def _no_content(document: Document) -> None:
    for operation in _operations(document):
        operation["responses"].get("204", {}).pop("content", None)


def _list_sample(document: Document) -> None:
    for schema in _schemas(document):
        sample = schema.get("contact_sample")
        if isinstance(sample, dict) and "$ref" in sample:
            schema["contact_sample"] = {"type": "array", "items": dict(sample)}


def _job_id_is_text(document: Document) -> None:
    for schema in _schemas(document):
        job_id = schema.get("job_id")
        if isinstance(job_id, dict) and job_id.get("type") == "object":
            schema["job_id"] = {"type": "string"}


def _sample_without_segments(document: Document) -> None:
    sample = document["paths"].get("/v3/marketing/contacts", {}).get("get")
    if sample is not None:
        schema = sample["responses"]["200"]["content"]["application/json"]["schema"]
        schema["properties"]["result"]["items"] = {"type": "object", "required": ["id", "list_ids"]}


AMENDMENTS = (
    Amendment("nullable", "OpenAPI 3.1 has no `nullable`; the files use it for a type or null.", _nullable),
    Amendment(
        "null error fields",
        "Errors without a field have the field null: recorded in sendgrid-php#602 and elsewhere.",
        _null_error_fields,
    ),
    Amendment(
        "undeclared errors",
        "The files of lists and fields lack 401, 403 and 500, and all files lack 413 and 429; all were recorded.",
        _undeclared_errors,
    ),
    Amendment(
        "custom_fields absent",
        "Contacts have no `custom_fields` when an account has none, as recorded; the file requires them.",
        _custom_fields_absent,
    ),
    Amendment("no content", "A 204 has no body; the lists file declares a text as one.", _no_content),
    Amendment(
        "job id is text",
        "The id of every job is a text, as recorded; two operations declare an object.",
        _job_id_is_text,
    ),
    Amendment(
        "sample without segments",
        "Contacts of `GET contacts` have no `segment_ids`, as recorded in 2026; the file requires them.",
        _sample_without_segments,
    ),
    Amendment(
        "list sample", "A sample of up to 50 contacts is an array; the lists file declares one object.", _list_sample
    ),
)


class Contract:
    """The vendor's files with all amendments."""

    def __init__(self, folder: Path, amendments: tuple[Amendment, ...] = AMENDMENTS) -> None:
        self._folder = folder
        self._amendments = amendments
        self._apis: dict[str, OpenAPI] = {}

    def check(self, exchange: Exchange, *, is_request_checked: bool = True) -> None:
        """Check a request and its answer. If the request was refused, only the answer is checked.

        Raises:
            ContractError: The request or the answer breaks the contract.
        """
        parts = urlsplit(exchange.url)
        name = next((name for prefix, name in FILES.items() if parts.path.startswith(prefix)), None)
        if name is None:
            message = f"{exchange.method} {parts.path} is in none of the vendor's files"
            raise ContractError(message)
        headers = {key.lower(): value for key, value in exchange.request_headers.items()}
        request = MockRequest(
            HOST,
            exchange.method,
            parts.path,
            args=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=headers,
            data=exchange.request_body,
            content_type=headers.get("content-type", "").partition(";")[0],
        )
        answer_headers = {key.lower(): value for key, value in exchange.response_headers.items()}
        response = MockResponse(
            exchange.response_body,
            status_code=exchange.status,
            headers=answer_headers,
            content_type=answer_headers.get("content-type", "").partition(";")[0],
        )
        api = self._api(name)
        try:
            if is_request_checked and exchange.status < FIRST_ERROR_STATUS:
                api.validate_request(request)
            api.validate_response(request, response)
        except (OpenAPIError, ValidationError) as error:
            message = f"{exchange.method} {parts.path} -> {exchange.status}: {_causes(error)}"
            raise ContractError(message) from error

    def _api(self, name: str) -> OpenAPI:
        """Return one file with its amendments. It is read when it is first needed, because that takes a while."""
        if name not in self._apis:
            document = deepcopy(_parsed(self._folder / name))
            for amendment in self._amendments:
                amendment.apply(document)
            self._apis[name] = OpenAPI.from_dict(document)
        return self._apis[name]

    def operation(self, exchange: Exchange) -> str:
        """Return the operation of an exchange in the vendor's spelling, e.g. `GET /v3/marketing/lists/{id}`.

        Raises:
            ContractError: The operation is in none of the files.
        """
        given = urlsplit(exchange.url).path.split("/")
        candidates = [
            name
            for name in self.operations()
            if name.startswith(f"{exchange.method} ") and _fits(name.partition(" ")[2].split("/"), given)
        ]
        if not candidates:
            message = f"{exchange.method} {'/'.join(given)} is in none of the vendor's files"
            raise ContractError(message)
        return min(candidates, key=lambda name: name.count("{"))

    def operations(self) -> set[str]:
        """Return every operation of every file, e.g. `GET /v3/scopes`."""
        return {
            f"{method.upper()} {path}"
            for name in set(FILES.values())
            for path, operations in _parsed(self._folder / name)["paths"].items()
            for method in operations
            if method in METHODS
        }


@cache
def _parsed(file: Path) -> Document:
    document: Document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


def _fits(template: list[str], given: list[str]) -> bool:
    return len(template) == len(given) and all(
        part == value or part.startswith("{") for part, value in zip(template, given, strict=True)
    )


def _causes(error: BaseException) -> str:
    causes = [str(error)]
    causes += [str(one.message) for one in getattr(error.__cause__ or error, "schema_errors", ())]
    return "; ".join(causes)


def folder() -> Path | None:
    """Return the folder of the vendor's files; `None` if they are not on this machine."""
    named = os.environ.get("SENDGRID_OPENAPI")
    found = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "openapi"
    return found if (found / FILES["/v3/scopes"]).is_file() else None


@cache
def contract() -> Contract | None:
    """Return the contract; `None` if the vendor's files are not on this machine."""
    found = folder()
    return None if found is None else Contract(found)


def required_contract() -> Contract:
    """Return the contract. Without the vendor's files skip the test, or fail it if `CI` is set."""
    found = contract()
    if found is None:
        reason = "the vendor's OpenAPI files are not on this machine; set SENDGRID_OPENAPI to their folder"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
