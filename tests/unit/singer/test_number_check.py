"""A number is accepted only if the SDK's validator accepts it, and nearly always then."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.singer.number_check import number_check
from target_sendgrid.singer.validation import RecordValidator

LIMITS = st.sampled_from([0, -1, 10, Decimal("0.5"), Decimal("-1E+20"), Decimal("1E+20"), Decimal("19.99")])
DIVISORS = st.sampled_from([1, 5, Decimal("0.01"), Decimal("1E-38"), Decimal("0.5"), Decimal("1e400")])
ALL_DIGITS = Decimal(float("19.99"))
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"type": st.sampled_from(["number", ["number", "null"], ["null", "integer", "number"]])},
    optional={
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), LIMITS),
        "multipleOf": DIVISORS,
        "inclusion": st.just("available"),
    },
)
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, "1", "", [], {}, 0, 1, -1, 5, 10, 11, 2**63, 10**400),
        *map(
            Decimal, ["0.0", "1.0", "0.5", "0.25", "19.99", "19.9899999999999984368004743", "1E+20", "1E+30", "1e400"]
        ),
        ALL_DIGITS,
    ]
)


def is_valid(schema: dict[str, Any], value: object) -> bool:
    validator = RecordValidator({"properties": {"x": schema}})
    try:
        validator.validate({"x": value})
    except RecordRejectedError:
        return False
    return True


@given(SCHEMAS, VALUES)
def test_it_accepts_nothing_that_the_validator_rejects(schema: dict[str, Any], value: object) -> None:
    check = number_check(schema)
    assert check is not None
    if check(value):
        assert is_valid(schema, value)


@given(SCHEMAS, VALUES)
def test_it_accepts_all_usual_values_that_the_validator_accepts(schema: dict[str, Any], value: object) -> None:
    check = number_check(schema)
    assert check is not None
    if is_valid(schema, value) and value != 10**400:
        assert check(value)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "integer"},
        {"type": ["number", "string"]},
        {"type": "number", "enum": [1]},
        {"anyOf": [{"type": "number"}]},
        {"minimum": 1},
    ],
)
def test_other_schemas_have_no_check(schema: dict[str, Any]) -> None:
    assert number_check(schema) is None
