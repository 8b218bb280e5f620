"""The table from status to action, and the bodies of answers in the shapes that SendGrid and proxies use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import SendGridError, TransientError
from target_sendgrid.sendgrid.answers import (
    Action,
    action_for,
    as_shape,
    error_details,
    error_for,
    json_object,
)

SIZE_MESSAGE = "Received message larger than max (5 vs. 4)"


class TestActions:
    @pytest.mark.parametrize(
        ("statuses", "action"),
        [
            ([429], Action.WAIT_FOR_RATE_LIMIT),
            ([408, 500, 502, 503, 504], Action.RETRY),
            ([401], Action.UNAUTHORIZED),
            ([403], Action.FORBIDDEN),
            ([404], Action.NOT_FOUND),
            ([413], Action.TOO_LARGE),
            ([400, 402, 405, 409, 414, 422, 499], Action.BAD_REQUEST),
            ([301, 302, 303, 307, 308, 399], Action.REFUSE_REDIRECT),
            ([101, 501, 505, 599, 999], Action.GIVE_UP),
        ],
        ids=lambda value: getattr(value, "name", ""),
    )
    def test_each_status_has_its_action(self, statuses: list[int], action: Action) -> None:
        assert {action_for(status, ["marker"]) for status in statuses} == {action}

    @given(st.integers(300, 999).filter(lambda status: status != 429))
    def test_an_answer_about_size_means_that_the_request_is_too_large(self, status: int) -> None:
        assert action_for(status, ["marker", SIZE_MESSAGE]) is Action.TOO_LARGE

    def test_a_rate_limit_is_one_whatever_it_says(self) -> None:
        assert action_for(429, [SIZE_MESSAGE]) is Action.WAIT_FOR_RATE_LIMIT

    @given(st.integers(300, 999), st.binary(max_size=60))
    def test_every_answer_has_an_error_that_does_not_quote_it(self, status: int, noise: bytes) -> None:
        error = error_for(status, b"marker" + noise, request="GET /v3/scopes", what="to read", wait_seconds=7.0)
        assert isinstance(error, (SendGridError, TransientError))
        assert "marker" not in str(error)

    def test_only_a_rate_limit_waits_as_long_as_the_headers_ask(self) -> None:
        waits = {}
        for status in (429, 503):
            error = error_for(status, b"", request="GET /v3/scopes", what="to read", wait_seconds=7.0)
            assert isinstance(error, TransientError)
            waits[status] = (error.wait_seconds, error.is_rate_limit)
        assert waits == {429: (7.0, True), 503: (None, False)}


class TestBodies:
    @pytest.mark.parametrize(
        ("content", "details"),
        [
            (
                b'{"errors": [{"field": "name", "message": "no"}, {"message": "never"}]}',
                [("name", "no"), ("", "never")],
            ),
            (b'[{"field": null, "message": "no"}]', [("", "no")]),
            (b'{"field": "name", "message": "no"}', [("name", "no")]),
            (b"<html>Bad Gateway</html>", [("", "<html>Bad Gateway</html>")]),
            (b'{"errors": null}', []),
            (b'{"errors": ["no"]}', []),
            (b"7", []),
            (b"", [("", "")]),
            (b"\xff", [("", "\ufffd")]),
        ],
    )
    def test_error_bodies_are_read_in_every_shape(self, content: bytes, details: list[tuple[str, str]]) -> None:
        assert error_details(content) == details

    @pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"7", b'{"a": 1', b'{"a": "\xff"}'])
    def test_an_answer_that_is_no_json_object_may_be_retried(self, content: bytes) -> None:
        with pytest.raises(TransientError, match="not the JSON"):
            json_object(content)

    def test_a_value_of_another_type_is_an_error_that_does_not_quote_it(self) -> None:
        with pytest.raises(SendGridError, match="in a shape that the target does not know") as caught:
            as_shape({"id": "marker"}, dict[str, int])
        assert "marker" not in str(caught.value)
