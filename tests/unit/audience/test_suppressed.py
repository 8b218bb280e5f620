from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from target_sendgrid.audience import suppressed as suppressed_module
from target_sendgrid.audience.suppressed import Suppressed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from target_sendgrid.sendgrid.client import Client

PAGE = 500
GROUPS = {7: ["Grace@Example.com"], 8: []}


class FakeClient:
    """Has some pages of global unsubscribes, and the groups above."""

    def __init__(self, page_count: int) -> None:
        self.transport = SimpleNamespace(request_count=3)
        self._page_count = page_count

    def global_suppressions(self) -> Iterator[list[str]]:
        for number in range(self._page_count):
            self.transport.request_count += 1
            yield [f"person{number * PAGE + place}@example.com" for place in range(PAGE)]
        self.transport.request_count += 1

    def group_suppressions(self, group_id: int) -> list[str]:
        self.transport.request_count += 1
        return GROUPS[group_id]


def read(page_count: int = 2, groups: tuple[int, ...] = (7, 8)) -> Suppressed:
    return Suppressed.read(cast("Client", FakeClient(page_count)), groups)


def test_a_global_suppression_counts_in_every_group() -> None:
    suppressed = read()
    for group_id in (None, 7, 8):
        assert suppressed.holds("person999@example.com", group_id)
        assert not suppressed.holds("person1000@example.com", group_id)


def test_a_suppression_of_a_group_counts_in_that_group() -> None:
    suppressed = read()
    assert [suppressed.holds("grace@example.com", group_id) for group_id in (None, 7, 8)] == [False, True, False]


def test_case_does_not_matter() -> None:
    suppressed = read()
    assert suppressed.holds("GRACE@EXAMPLE.COM", 7)
    assert suppressed.holds("Person1@example.com", None)


def test_other_identifiers_are_never_suppressed() -> None:
    assert not read().holds("external_id person1@example.com", None)


def test_who_is_suppressed_by_the_run_is_remembered() -> None:
    suppressed = read()
    suppressed.add("Ada@example.com", None)
    suppressed.add("alan@example.com", 8)
    assert suppressed.holds("ada@example.com", 7)
    assert [suppressed.holds("alan@example.com", group_id) for group_id in (None, 7, 8)] == [False, False, True]


def test_the_cost_is_logged_and_long_reads_show_progress(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressed_module, "_REQUESTS_PER_LINE", 2)
    with caplog.at_level(logging.INFO, logger="target-sendgrid"):
        read(5)
    assert caplog.messages == [
        "Read 1,000 unsubscribes so far.",
        "Read 2,000 unsubscribes so far.",
        "Read 2,501 unsubscribes so far.",
        "Read 2,501 unsubscribes in 8 requests.",
    ]
