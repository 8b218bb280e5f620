"""What a dry run tells, and how it masks values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.report.dry_run import DryRunReport, Effect, StreamPreview, masked


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ({"email": "ada@example.com"}, "email: a•••@e•••.com"),
        ({"email": "ab@example.com"}, "email: •••@e•••.com"),
        ({"email": "ada@x.museum"}, "email: a•••@•••.museum"),
        ({"email": "ada@localhost"}, "email: a•••@•••"),
        ({"email": "ada@[192.0.2.1]"}, "email: a•••@•••"),
        ({"first_name": "Zoë", "last_name": "Ng"}, "first_name: Z•••, last_name: •••"),
        ({"last_name": "王小明", "city": "Évry"}, "last_name: •••, city: •••"),
        ({"phone_number": "+4912345", "postal_code": "10115"}, "phone_number: •••, postal_code: 1•••"),
        ({"first_name": ""}, 'first_name: ""'),
        ({"alternate_emails": ["eve@example.org"]}, "alternate_emails: [e•••@e•••.org]"),
        ({"first_name": "Ada @ Byron.Lovelace", "city": "@x.Lovelace"}, "first_name: A•••, city: •••"),
        ({"custom_fields": {"e1_T": "ada@x.lovelace"}}, "name of e1_T: a•••"),
        ({"custom_fields": {"e1_N": 5, "e2_T": "gold"}}, "name of e1_N: •••, name of e2_T: g•••"),
    ],
)
def test_at_most_the_first_letter_of_a_value_is_shown(contact: dict[str, Any], expected: str) -> None:
    assert masked(contact, lambda field_id: f"name of {field_id}") == expected


@given(st.text(min_size=3))
def test_no_two_characters_of_a_text_are_shown_in_a_row(text: str) -> None:
    shown = masked({"x": text}, str).removeprefix("x: ")
    visible = shown.replace("•••", "")
    assert len(visible) <= 1


class TestCounts:
    def test_without_a_sample_they_are_exact(self) -> None:
        preview = StreamPreview()
        for effect in (Effect.CREATED, Effect.CREATED, Effect.UPDATED, Effect.UNCHANGED):
            preview.add(effect, weight=1.0)
        assert preview.summary(4) == " (2 created, 1 updated, 1 unchanged)"

    def test_a_sample_is_said_to_be_one(self) -> None:
        preview = StreamPreview()
        for _ in range(2):
            preview.add(Effect.CREATED, weight=3.0)
        preview.add(Effect.UPDATED, weight=3.0)
        assert preview.summary(9) == " (about 6 created, 3 updated, 0 unchanged, by a sample of 3)"

    def test_nobody_was_looked_up(self) -> None:
        assert StreamPreview().summary(0) == ""

    @given(st.lists(st.tuples(st.sampled_from(Effect), st.floats(1, 100)), min_size=1), st.integers(0, 10**7))
    def test_they_always_add_up(self, looked_up: list[tuple[Effect, float]], count: int) -> None:
        preview = StreamPreview()
        for effect, weight in looked_up:
            preview.add(effect, weight=weight)
        counts = preview.counts(count)
        assert sum(counts.values()) == count
        assert min(counts.values()) >= 0


@pytest.mark.parametrize(("requests", "seconds"), [(0, 0), (1, 60), (200, 60), (201, 120), (1000, 300)])
def test_the_estimate_follows_the_limit_of_200_requests_a_minute(requests: int, seconds: int) -> None:
    assert DryRunReport(request_count=requests).estimated_seconds == seconds
