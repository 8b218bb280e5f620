"""Every operation that the sandbox emulates keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.contract.checks import contract

if TYPE_CHECKING:
    from tests.contract.checks import Exchange

UNUSED = {
    ("POST /v3/recipients/erasejob", 500): "The sandbox fails only by ordered faults, whose bodies are free.",
}
"""Answers that the contract allows and the sandbox does not give, and why."""


def test_every_exchange_keeps_the_contract(traffic: list[Exchange]) -> None:
    for exchange in traffic:
        contract().check(exchange)


def test_the_traffic_has_every_answer_of_every_operation(traffic: list[Exchange]) -> None:
    given = {(contract().operation(exchange).name, exchange.status) for exchange in traffic}
    own = {(operation.name, status) for operation in contract().operations.values() for status in operation.own}
    assert own - given == set(UNUSED)


def test_the_traffic_has_the_answers_that_any_operation_may_give(traffic: list[Exchange]) -> None:
    assert {401, 403, 413, 429} <= {exchange.status for exchange in traffic}
