"""Validation is never weaker than the SDK's own. ``VALIDATION_SEEDS=20000 pytest FILE`` tries more schemas.

What the fast validator accepts is not validated again, so it must reject everything that the SDK's validator rejects.
"""

from __future__ import annotations

import http.server
import threading
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, validators
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.sinks.core import JSONSchemaValidator

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.singer import validation
from target_sendgrid.singer.validation import RecordValidator
from tests.harness.random_schemas import Case
from tests.harness.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = seeds("VALIDATION_SEEDS", 60)


def is_accepted(validator: RecordValidator, record: dict[str, Any]) -> bool:
    try:
        validator.validate(record)
    except RecordRejectedError as error:
        return error.reason is not Reason.SCHEMA_VIOLATION
    return True


def accepts(schema: dict[str, Any], value: object) -> bool:
    return is_accepted(RecordValidator({"type": "object", "properties": {"x": schema}}), {"x": value})


def _is_integer(_: object, value: object) -> bool:
    is_whole = isinstance(value, Decimal) and value == value.to_integral_value()
    return (isinstance(value, int) and not isinstance(value, bool)) or is_whole


# The SDK's validator with the one difference in which JSON Schema agrees with the fast validator: 1.0 is an integer.
_Referee = validators.extend(  # type: ignore[no-untyped-call]  # as its stubs have it
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


def verdict(validator: Any, record: dict[str, Any]) -> bool | None:
    """Return whether the SDK's validator accepts a record; ``None`` where it gives up."""
    try:
        return bool(validator.is_valid(record))
    except (ArithmeticError, TypeError):  # huge decimals, schemas of mixed dialects
        return None


@pytest.mark.parametrize("is_plain", [False, True])
def test_a_record_that_the_sdk_rejects_is_rejected_under_random_schemas(*, is_plain: bool) -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        case = Case(seed, is_plain=is_plain)
        try:
            validator, referee = RecordValidator(case.schema), JSONSchemaValidator(case.schema).validator
        except InvalidJSONSchema:
            counts["schemas refused"] += 1
            continue
        # The plain validator of a dialect validates the inner schemas that name one.
        lenient = _Referee(case.schema, format_checker=referee.format_checker)
        for record in case.records:
            strict = verdict(referee, record)
            if is_accepted(validator, record):
                assert strict or verdict(lenient, record) is not False, (seed, case.schema, record)
                counts["accepted"] += 1
            else:
                assert strict is not True, (seed, case.schema, record)
                counts["rejected"] += 1
    assert counts["accepted"] > len(SEEDS)
    assert counts["rejected"] > len(SEEDS)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": r"^\D$"}, "٣"),
        ({"pattern": r"^\W$"}, "é"),
        ({"pattern": r"^\S$"}, "\x1c"),
        ({"not": {"pattern": r"^a$"}}, "a\n"),
        ({"patternProperties": {r"^\w$": False}}, {"é": 1}),
        ({"multipleOf": 1}, Decimal("2.00000000000000000001")),
        ({"multipleOf": Decimal("2.0")}, Decimal("9007199254740993.5")),
        ({"multipleOf": Decimal("1e400")}, 1),
        ({"not": {"dependencies": {"a": ["b"]}}}, {"a": 1}),
        ({"oneOf": [{"dependencies": {"a": ["b"]}}, {}]}, {"a": 1}),
        ({"not": {"exclusiveMinimum": Decimal("0.0")}}, Decimal("1e-400")),
        ({"if": {"dependencies": {"a": ["b"]}}, "then": False}, {"a": 1}),
        ({"contains": {"dependencies": {"a": ["b"]}}, "minContains": 0, "maxContains": 0}, [{"a": 1}]),
        ({"type": "integer"}, Decimal("9007199254740993.5")),
        ({"enum": [1, Decimal("0.1")]}, Decimal("0.10000000000000000000000000001")),
        ({"maximum": 2**53}, 2**53 + 1),
        ({"maximum": Decimal("0.1")}, Decimal("0.10000000000000000000000000001")),
        ({"multipleOf": Decimal("0.01")}, Decimal("1.00000000000000000000000000001")),
        ({"const": 1}, True),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"]}}, {"a": 1}),
    ],
    ids=str,
)
def test_a_record_that_only_the_sdk_rejects_is_rejected(schema: dict[str, Any], value: object) -> None:
    assert not accepts(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": r"^\d$"}, "٣"),
        ({"pattern": r"^a$"}, "a\n"),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}),
        ({"type": ["string", "null"], "format": "date-time"}, "yesterday"),
        ({"multipleOf": Decimal("0.01")}, Decimal("19.99")),
        ({"type": "number"}, 10**400),
    ],
    ids=lambda value: str(value)[:80],
)
def test_a_record_that_the_sdk_accepts_is_accepted(schema: dict[str, Any], value: object) -> None:
    assert accepts(schema, value)


_DIGITS = Decimal("19.989999999999998436805981327779591083526611328125")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, Decimal("1.0")),
        ({"multipleOf": Decimal("0.01")}, Decimal("1e30")),
        ({"multipleOf": Decimal("0.01")}, _DIGITS),
        ({"anyOf": [{"multipleOf": 7}, {"multipleOf": Decimal("1e-38")}]}, Decimal("19.99")),
        ({"pattern": "a", "multipleOf": Decimal("1e-38")}, Decimal("19.99")),
        ({"multipleOf": Decimal("0.01"), "oneOf": [{"type": "number"}]}, _DIGITS),
        ({"anyOf": [{"type": "number", "multipleOf": Decimal("0.01")}, {"type": "null"}]}, _DIGITS),
        ({"maximum": Decimal("0.0")}, Decimal("1e-400")),
        ({"exclusiveMaximum": 2**53 + 1}, Decimal("9007199254740993.0")),
    ],
    ids=str,
)
def test_the_known_exceptions_are_accepted_though_the_sdk_rejects_them(schema: dict[str, Any], value: object) -> None:
    assert not verdict(JSONSchemaValidator(schema).validator, value)  # type: ignore[arg-type]  # any value will do
    assert accepts(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"multipleOf": Decimal("0.01"), "maximum": 0}, Decimal("1e400")),
        ({"multipleOf": Decimal("0.01"), "maximum": 0}, 1.5),  # stream maps make floats
        ({"$schema": "http://json-schema.org/draft-04/schema#", "items": True, "maxItems": 0}, [1]),
    ],
    ids=str,
)
def test_a_record_that_the_sdk_cannot_validate_is_rejected(schema: dict[str, Any], value: object) -> None:
    validator = RecordValidator({"properties": {"x": schema}})
    with pytest.raises(RecordRejectedError, match="can't be validated against its schema"):
        validator.validate({"x": value})


@pytest.mark.parametrize(
    ("record", "is_valid"),
    [
        ({"x": "a", "y": Decimal("1.0"), "home": {"zip": "1", "floor": Decimal("2.0")}}, True),
        ({"x": "b"}, False),
        ({"home": {"zip": "x"}}, False),
        ({"y": "1"}, False),
        ({"home": {"floor": "1"}}, False),
        ({"home": "York"}, False),
        ({"x": 1, "home": {}}, True),
        ({}, True),
    ],
)
def test_only_the_sdk_decides_about_patterns_and_the_fast_validator_about_all_else(
    record: dict[str, Any], *, is_valid: bool
) -> None:
    integer = {"type": "integer"}
    home = {"type": "object", "properties": {"zip": {"pattern": "^[0-9]$"}, "floor": integer}}
    validator = RecordValidator({"type": "object", "properties": {"x": {"pattern": "^a"}, "y": integer, "home": home}})
    assert is_accepted(validator, record) is is_valid
    assert validator.accepts(record) is is_valid


def test_a_property_may_refer_to_a_definition_with_a_pattern() -> None:
    code = {"code": {"pattern": "^a"}}
    validator = RecordValidator({"$defs": code, "properties": {"x": {"$ref": "#/$defs/code"}}})
    assert [is_accepted(validator, {"x": text}) for text in "ab"] == [True, False]


def test_a_value_that_takes_long_to_check_is_not_accepted() -> None:
    validator = RecordValidator({"pattern": "^(a+)+$"})
    assert validator.accepts("a" * 50)
    assert not validator.accepts("a" * 50 + "!")


def test_a_pattern_that_never_ends_rejects_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_MAX_SECONDS", 0.1)
    validator = RecordValidator({"properties": {"x": {"pattern": "^(a+)+$"}}})
    with pytest.raises(RecordRejectedError, match="takes more than 0 seconds"):
        validator.validate({"x": "a" * 50 + "!"})
    validator.validate({"x": "a" * 50})


def test_records_are_validated_in_other_threads_too() -> None:
    accepted: list[bool] = []
    thread = threading.Thread(target=lambda: accepted.append(accepts({"pattern": "^a"}, "b")))
    thread.start()
    thread.join()
    assert accepted == [False]


@pytest.fixture
def visited() -> Iterator[tuple[str, list[str]]]:
    """The address of a machine that a tap must not reach through the target, and the paths that were requested."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/x", paths
        server.shutdown()


def test_an_unknown_dialect_is_not_fetched(visited: tuple[str, list[str]]) -> None:
    address, paths = visited
    assert not accepts({"$schema": address, "type": "string"}, 1)
    schema = {"$schema": address, "properties": {"x": {"type": "string"}}}
    assert not is_accepted(RecordValidator(schema), {"x": 1})
    assert is_accepted(RecordValidator(schema), {"x": "a"})
    assert paths == []


@pytest.mark.parametrize("reference", ["#/properties/code", "#", "#code"])
def test_a_rule_that_another_property_refers_to_is_checked_for_both(reference: str) -> None:
    code = {"type": "string", "pattern": "^a", "$anchor": "code"}
    schema = {"type": ["object", "string"], "properties": {"code": code, "other": {"$ref": reference}}}
    bad = {"code": "b"} if reference == "#" else "b"
    assert not is_accepted(RecordValidator(schema), {"other": bad})


def test_the_draft_that_a_whole_schema_names_does_not_change_its_rules() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"x": {"const": "a"}},
        "$defs": {"code": {"pattern": "^a"}},
    }
    assert not is_accepted(RecordValidator(schema), {"x": "b"})
