"""SendGrid's own API descriptions, which are not part of this repository, and how our contract compares with them.

They are read from the folder that `SENDGRID_OPENAPI` names, or else from one of `BESIDE_THE_CHECKOUT`. Where
they contradict what users recorded of the live API, an `Amendment` changes them.
"""

from __future__ import annotations

import os
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.contract.documents import Json

FILES = (
    "tsg_mc_contacts_v3.yaml",
    "tsg_mc_lists_v3.yaml",
    "tsg_mc_custom_fields_v3.yaml",
    "tsg_scopes_v3.yaml",
    "tsg_suppressions_v3.yaml",
    "tsg_recipients_data_erasure_v3.yaml",
)
METHODS = frozenset({"get", "put", "post", "patch", "delete"})
_PARENT = Path(__file__).resolve().parents[3]
BESIDE_THE_CHECKOUT = (_PARENT / "sendgrid-oai" / "spec" / "yaml", _PARENT / "shared" / "openapi")
"""Folders that are read if `SENDGRID_OPENAPI` names none."""


def folder() -> Path | None:
    """Return the folder of SendGrid's descriptions, or `None` if they are not on this machine.

    Raises:
        pytest.UsageError: `SENDGRID_OPENAPI` names a folder that lacks one of the files.
    """
    named = os.environ.get("SENDGRID_OPENAPI")
    if named is None:
        return next((found for found in BESIDE_THE_CHECKOUT if not _missing(found)), None)
    if missing := _missing(Path(named)):
        raise pytest.UsageError(f"SENDGRID_OPENAPI is {named}, which lacks {', '.join(missing)}.")
    return Path(named)


def _missing(found: Path) -> list[str]:
    return [name for name in FILES if not (found / name).is_file()]


def report_header() -> str:
    """Return the line that says whether our contract is held against SendGrid's descriptions."""
    found = folder()
    if found is None:
        return "SendGrid's API descriptions: not found, so our contract is not held against them; see CONTRIBUTING.md"
    return f"SendGrid's API descriptions: {found} (contract held against them)"


@dataclass(frozen=True)
class Amendment:
    """A change to SendGrid's descriptions, and the reason: a recording of the live API, or an error in the file."""

    name: str
    reason: str
    apply: Callable[[Json], None]


def _objects(node: Any) -> Iterator[Json]:
    """Yield every JSON object inside a document."""
    if isinstance(node, dict):
        yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(item)


def _operations(document: Json) -> Iterator[Json]:
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method in METHODS)


def _of_type_or_null(document: Json) -> None:
    for schema in [*_objects(document)]:
        if schema.pop("nullable", False) is True:
            schema["type"] = [schema["type"], "null"]


def _null_fields(document: Json) -> None:
    for schema in _objects(document):
        if "message" in schema and schema.get("field") == {"type": "string"}:
            schema["field"] = {"type": ["string", "null"]}


def _null_help(document: Json) -> None:
    for schema in _objects(document):
        if isinstance(schema.get("help"), dict):
            schema["help"] = {}


def _undescribed_errors(document: Json) -> None:
    entry = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
    schema = {"type": "object", "properties": {"errors": {"type": "array", "items": entry}}, "required": ["errors"]}
    general = {"description": "", "content": {"application/json": {"schema": schema}}}
    for operation in _operations(document):
        for status in ("400", "401", "403", "404", "413", "429", "500"):
            if not {"content", "$ref"} & operation["responses"].get(status, {}).keys():
                operation["responses"][status] = general


def _no_custom_fields(document: Json) -> None:
    for schema in _objects(document):
        required = schema.get("required")
        if isinstance(required, list) and "custom_fields" in required:
            required.remove("custom_fields")


def _no_content(document: Json) -> None:
    for operation in _operations(document):
        operation["responses"].get("204", {}).pop("content", None)


def _sample_is_an_array(document: Json) -> None:
    for schema in _objects(document):
        sample = schema.get("contact_sample")
        if isinstance(sample, dict) and "$ref" in sample:
            schema["contact_sample"] = {"type": "array", "items": sample}


def _job_id_is_text(document: Json) -> None:
    for schema in _objects(document):
        job_id = schema.get("job_id")
        if isinstance(job_id, dict) and job_id.get("type") == "object":
            schema["job_id"] = {"type": "string"}


def _null_arrays(document: Json) -> None:
    contact = document["components"]["schemas"].get("ContactDetails3", {"properties": {}})["properties"]
    for name in ("alternate_emails", "segment_ids"):
        if name in contact:
            contact[name]["type"] = ["array", "null"]
    contact = document["components"]["schemas"].get("ContactDetails", {"properties": {}})["properties"]
    if "segment_ids" in contact:
        contact["segment_ids"]["type"] = ["array", "null"]


def _sample_without_segments(document: Json) -> None:
    sample = document["paths"].get("/v3/marketing/contacts", {}).get("get")
    if sample is not None:
        result = sample["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["result"]
        contact = dict(document["components"]["schemas"]["ContactDetails3"])
        contact["required"] = [name for name in contact["required"] if name != "segment_ids"]
        result["items"] = contact


def _any_custom_field(document: Json) -> None:
    contact = document["components"]["schemas"].get("ContactRequest")
    if contact is not None:
        del contact["properties"]["custom_fields"]["properties"]


def _any_domain(document: Json) -> None:
    for schema in _objects(document):
        patterns = schema.pop("patternProperties", None)
        if patterns is not None:
            (schema["additionalProperties"],) = patterns.values()


def _no_suppression(document: Json) -> None:
    found = document["paths"].get("/v3/asm/suppressions/global/{email}")
    if found is not None:
        del found["get"]["responses"]["200"]["content"]["application/json"]["schema"]["required"]


AMENDMENTS = (
    Amendment("nullable", "OpenAPI 3.1 has no `nullable`; the files use it for a type or null.", _of_type_or_null),
    Amendment(
        "null fields",
        "Errors without a field have the field null: recorded in sendgrid-php#602 and elsewhere.",
        _null_fields,
    ),
    Amendment("null help", "The help of an error was recorded as null, in sendgrid-csharp#185.", _null_help),
    Amendment(
        "undescribed errors",
        "The files of lists and fields lack 401, 403 and 500, all files lack 413, all but one lack 429, and one 404 "
        "has no body; all were recorded. The file of suppressions has no errors.",
        _undescribed_errors,
    ),
    Amendment(
        "no custom fields",
        "The definitions lack `custom_fields` when an account has none, as recorded; the file requires them.",
        _no_custom_fields,
    ),
    Amendment("no content", "A 204 has no body; the lists file describes a text as one.", _no_content),
    Amendment(
        "sample is an array",
        "A sample of up to 50 contacts is an array; the lists file describes one contact.",
        _sample_is_an_array,
    ),
    Amendment(
        "job id is text",
        "The id of every job is a text, as recorded; two operations describe an object.",
        _job_id_is_text,
    ),
    Amendment(
        "null arrays",
        "No alternate emails were recorded as null, and so were the segments of new contacts.",
        _null_arrays,
    ),
    Amendment(
        "sample without segments",
        "Contacts of `GET contacts` have no `segment_ids`, as recorded in 2026; the file requires them.",
        _sample_without_segments,
    ),
    Amendment(
        "any custom field",
        "The file describes `w1` as a text; it is an example of an id, which does not say the type of the field.",
        _any_custom_field,
    ),
    Amendment(
        "no suppression",
        "An address that is not suppressed is answered with an empty object, as the file itself says; it also requires "
        "the address.",
        _no_suppression,
    ),
    Amendment(
        "any domain",
        "The search by emails describes only those whose top-level domain has up to six letters; others exist.",
        _any_domain,
    ),
)


@dataclass(frozen=True)
class Described:
    """An operation as SendGrid describes it. A schema is `None` where there is no body.

    Attributes:
        parameters: Schemas of path and query parameters, by the place and the name.
        required: The parameters that must be there.
        request: Schema of the request's body.
        answers: Schema of the answer's body, by status.
    """

    parameters: dict[tuple[str, str], Json]
    required: frozenset[tuple[str, str]]
    request: Json | None
    answers: dict[int, Json | None]


class Descriptions:
    """SendGrid's descriptions, amended.

    Args:
        place: The folder of the files.
        amendments: What to change in them.
    """

    def __init__(self, place: Path, amendments: tuple[Amendment, ...] = AMENDMENTS) -> None:
        self.operations: dict[str, Described] = {}
        for name in FILES:
            document = deepcopy(_parsed(place / name))
            for amendment in amendments:
                amendment.apply(document)
            for path, item in document["paths"].items():
                for method in METHODS & item.keys():
                    self.operations[f"{method.upper()} {path}"] = _described(document, item, item[method])


@cache
def _parsed(file: Path) -> Json:
    document: Json = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


def _described(document: Json, path: Json, operation: Json) -> Described:
    parameters = _complete(document, [*path.get("parameters", ()), *operation.get("parameters", ())])
    answers = _complete(document, operation["responses"])
    body = _complete(document, operation.get("requestBody", {}))
    return Described(
        parameters={(one["in"], one["name"]): one["schema"] for one in parameters},
        required=frozenset((one["in"], one["name"]) for one in parameters if one.get("required")),
        request=_schema(body),
        answers={int(status): _schema(answer) for status, answer in answers.items()},
    )


def _schema(content: Json) -> Json | None:
    found: Json | None = content.get("content", {}).get("application/json", {}).get("schema")
    return found


def _complete(document: Json, node: Any) -> Any:
    """Put the schemas in place of the references to them."""
    if isinstance(node, list):
        return [_complete(document, item) for item in node]
    if not isinstance(node, dict):
        return node
    complete = {key: _complete(document, value) for key, value in node.items() if key != "$ref"}
    if "$ref" not in node:
        return complete
    found: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _complete(document, found) | complete
