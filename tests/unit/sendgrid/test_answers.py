"""The table from status to action, and the bodies of answers in the shapes that SendGrid and proxies use."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import BadRequestError, NotFoundError, SendGridError, TransientError
from target_sendgrid.sendgrid.answers import (
    Action,
    action_for,
    as_retried_shape,
    as_shape,
    body_of,
    error_details,
    error_for,
    json_object,
    says_contact_limit,
    texts,
)

SIZE_MESSAGE = "Received message larger than max (5 vs. 4)"
LIMIT_MESSAGE = "You have hit your Contact Limit."
TEXTS = ["<html>marker</html>", "marker", "", '"marker"', "7", "null", "true", '{"cut', "[" * 100_000]
"""Bodies that are not SendGrid's: no JSON object or array."""
RETRIED_BRIEFLY = {
    402, 405, 406, 407, 409, 410, 411, 412, 415, 416, 417, 418, 421, 423, 424, 425, 426, 428, 431, 444, 451, 499,
}  # fmt: skip


def answered(status: int, *details: tuple[str | None, str]) -> Action:
    """Return the action for an answer of SendGrid with these fields and messages."""
    errors = [{"field": field, "message": message} for field, message in details]
    return action_for(status, {"errors": errors})


def expected_action(status: int, *, is_json: bool) -> Action:
    """Return the action for an answer without words that matter."""
    named = {
        401: Action.UNAUTHORIZED, 403: Action.FORBIDDEN, 408: Action.RETRY, 413: Action.TOO_LARGE,
        414: Action.TOO_LARGE, 429: Action.WAIT_FOR_RATE_LIMIT,
    }  # fmt: skip
    if status in named:
        return named[status]
    if status in {400, 422}:
        return Action.BAD_REQUEST if is_json else Action.RETRY
    if status == 404 and is_json:
        return Action.NOT_FOUND
    return Action.RETRY_BRIEFLY if status < 500 else Action.RETRY


class TestActions:
    @pytest.mark.parametrize("status", range(400, 600))
    def test_each_status_has_its_action_with_and_without_json(self, status: int) -> None:
        for body in ({}, [], {"errors": None}, {"errors": [{"message": "marker"}]}, [{"field": None}]):
            assert action_for(status, body) is expected_action(status, is_json=True), body
        for text in TEXTS:
            assert action_for(status, body_of(text.encode())) is expected_action(status, is_json=False), text

    def test_statuses_that_say_nothing_about_contacts_are_retried_for_a_while(self) -> None:
        assert {answered(status) for status in RETRIED_BRIEFLY} == {Action.RETRY_BRIEFLY}

    @pytest.mark.parametrize(
        ("statuses", "action"),
        [([301, 302, 303, 307, 308, 399], Action.REFUSE_REDIRECT), ([101, 199, 600, 999], Action.GIVE_UP)],
        ids=["redirect", "unknown"],
    )
    def test_redirects_and_unknown_statuses_end_the_run(self, statuses: list[int], action: Action) -> None:
        assert {answered(status) for status in statuses} == {action}


class TestSizeWords:
    def test_a_400_about_the_size_means_that_the_request_is_too_large(self) -> None:
        assert answered(400, (None, "marker"), ("", SIZE_MESSAGE)) is Action.TOO_LARGE

    @pytest.mark.parametrize("status", range(401, 600))
    def test_with_other_statuses_words_about_the_size_do_not_matter(self, status: int) -> None:
        assert answered(status, (None, SIZE_MESSAGE)) is answered(status, (None, "marker"))

    @pytest.mark.parametrize(
        "details",
        [
            [("contacts[7].first_name", "the value is too large")],
            [("contacts[7].first_name", "it is wrong"), (None, SIZE_MESSAGE)],
            [(None, "contacts[7] is too large")],
            [(None, "email 'too large@example.com' is not valid")],
            [(None, 'the value "payload size" is not a date')],
            [(None, "the value 'it's ' too large' is not a date")],
        ],
    )
    def test_what_is_said_about_a_value_is_not_about_the_size(self, details: list[tuple[str | None, str]]) -> None:
        assert answered(400, *details) is Action.BAD_REQUEST


class TestContactLimit:
    @pytest.mark.parametrize(
        "body",
        [
            {"errors": [{"field": None, "message": LIMIT_MESSAGE}]},
            [{"message": LIMIT_MESSAGE}],
            {"error": {"detail": LIMIT_MESSAGE}},
            {"errors": [LIMIT_MESSAGE]},
            {"errors": [{"field": "contacts[0]", "message": "no"}, {"message": LIMIT_MESSAGE}]},
            LIMIT_MESSAGE,
        ],
        ids=str,
    )
    def test_the_contact_limit_is_recognised_with_every_4xx_but_three(self, body: object) -> None:
        recognised = {status for status in range(400, 500) if action_for(status, body) is Action.CONTACT_LIMIT}
        assert recognised == {*range(400, 500)} - {401, 408, 429}

    @pytest.mark.parametrize("status", [101, 302, 401, 408, 429, 500, 503, 599])
    def test_other_answers_are_not_about_it(self, status: int) -> None:
        assert answered(status, (None, LIMIT_MESSAGE)) is not Action.CONTACT_LIMIT

    @pytest.mark.parametrize(
        "detail",
        [
            ("contacts[3].first_name", "contact limit"),
            (None, "custom field contact_limit must be a number"),
        ],
    )
    def test_what_is_said_about_a_value_is_not_about_it(self, detail: tuple[str | None, str]) -> None:
        assert answered(400, detail) is Action.BAD_REQUEST

    @pytest.mark.parametrize(
        ("text", "says_so"),
        [
            ("you have hit your contact limit", True),
            ("CONTACT\nLIMIT reached", True),
            ("You've hit your account's contact limit, see the plan's page", True),
            ("list 'VIP': contact limit", True),
            ('Your plan "Basic 50" has hit its contact limit. Upgrade to "Advanced".', True),
            ("'you have hit your contact-limit'", True),
            ("you have reached the limit of contacts", True),
            ("contact limitation", False),
            ("contacts: no limit", False),
            ("", False),
        ],
    )
    def test_the_words_may_be_anywhere_in_a_message(self, text: str, *, says_so: bool) -> None:
        assert says_contact_limit(text) is says_so

    def test_a_link_to_an_errors_file_says_nothing(self) -> None:
        assert list(texts({"errors_url": "contact limit", "a": [{"b": "c", "n": 7}, "d"]})) == ["c", "d"]


class TestErrors:
    @given(st.sampled_from(sorted({*RETRIED_BRIEFLY, 404})))
    def test_a_refusal_that_says_nothing_about_contacts_names_the_status_once_it_lasts(self, status: int) -> None:
        error = error_for(status, b"marker", request="GET /v3/scopes", what="to read", wait_seconds=7.0)
        assert isinstance(error, TransientError)
        assert (error.budget_seconds, error.wait_seconds, error.may_have_been_taken) == (60.0, None, True)
        assert type(error.final_error) is (NotFoundError if status == 404 else SendGridError)
        assert f"GET /v3/scopes still answers {status} after several tries." in str(error.final_error)
        assert error.final_error.problems[0].next_step

    def test_a_402_is_about_the_account_and_a_407_about_proxies(self) -> None:
        steps = {}
        for status in (402, 407):
            error = error_for(status, b"", request="GET /v3/scopes", what="to read", wait_seconds=None)
            assert isinstance(error, TransientError)
            steps[status] = str(error.final_error)
        assert "billing" in steps[402]
        assert "proxies" in steps[407]

    def test_an_answer_404_is_sendgrids_if_it_is_json(self) -> None:
        own = error_for(404, b"{}", request="GET /v3/scopes", what="to read", wait_seconds=None)
        other = error_for(404, b"<html>", request="GET /v3/scopes", what="to read", wait_seconds=None)
        assert isinstance(own, NotFoundError)
        assert own.is_from_sendgrid
        assert isinstance(other, TransientError)
        assert isinstance(other.final_error, NotFoundError)
        assert not other.final_error.is_from_sendgrid

    def test_a_refused_body_keeps_its_details(self) -> None:
        content = b'{"errors": [{"field": "contacts[0].email", "message": "marker"}]}'
        error = error_for(422, content, request="GET /v3/scopes", what="to read", wait_seconds=None)
        assert isinstance(error, BadRequestError)
        assert error.details == [("contacts[0].email", "marker")]

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
            waits[status] = (error.wait_seconds, error.is_rate_limit, error.may_have_been_taken)
        assert waits == {429: (7.0, True, False), 503: (None, False, True)}


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
            (b"<html>Bad Gateway</html>", []),
            (b'{"errors": null}', []),
            (b'{"errors": ["no"]}', []),
            (b"7", []),
            (b'["no"]', []),
            (b"", []),
            (b"\xff", []),
            (b"[" * 100_000, []),
        ],
    )
    def test_error_bodies_are_read_in_every_shape(self, content: bytes, details: list[tuple[str, str]]) -> None:
        assert error_details(body_of(content)) == details

    @pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"7", b'{"a": 1', b'{"a": "\xff"}', b'{"a":' * 100_000])
    def test_an_answer_that_is_no_json_object_may_be_retried(self, content: bytes) -> None:
        with pytest.raises(TransientError, match="not the JSON"):
            json_object(content)

    def test_a_value_of_another_type_is_an_error_that_does_not_quote_it(self) -> None:
        with pytest.raises(SendGridError, match="in a shape that the target does not know") as caught:
            as_shape({"id": "marker"}, dict[str, int])
        assert "marker" not in str(caught.value)

    @pytest.mark.parametrize("content", [b'{"id": "marker"}', b"{}"])
    def test_a_value_of_another_type_may_be_retried(self, content: bytes) -> None:
        with pytest.raises(TransientError, match="in a shape that the target does not know") as caught:
            as_retried_shape(content, Named)
        assert isinstance(caught.value.final_error, SendGridError)
        assert "marker" not in f"{caught.value} {caught.value.final_error}"


class Named(msgspec.Struct):
    id: int


class TestWords:
    """What an error says of its request: the method, the path without ids, the status, and what it was to do."""

    @pytest.mark.parametrize(
        ("status", "body", "words"),
        [
            (403, b"{}", "SendGrid forbids this API key to read lists (403)."),
            (404, b"{}", "SendGrid does not know what GET /v3/x names (404)."),
            (400, b"{}", "SendGrid refused GET /v3/x (400)."),
            (413, b"{}", "SendGrid takes no request of that many bytes (413)."),
            (302, b"", "GET /v3/x answered 302, a redirect, which is not followed: the key would go along."),
            (700, b"", "GET /v3/x answered 700, an unknown status."),
        ],
    )
    def test_the_error_names_status_and_request(self, status: int, body: bytes, words: str) -> None:
        error = error_for(status, body, request="GET /v3/x", what="to read lists", wait_seconds=None)
        assert str(error).startswith(words)

    def test_only_the_beginning_of_a_text_is_kept(self) -> None:
        assert body_of(b"x" * 1_000) == "x" * 300

    def test_parts_of_a_detail_that_are_absent_are_empty(self) -> None:
        assert error_details({"errors": [{"field": "email"}, {"message": "no"}, {"field": None, "message": None}]}) == [
            ("email", ""), ("", "no"), ("", ""),
        ]  # fmt: skip
