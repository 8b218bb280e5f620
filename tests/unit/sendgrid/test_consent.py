"""The calls about consent: each request, to the letter, and what becomes of the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import Code, ForbiddenError, SendGridError, TooLargeError, TransientError
from target_sendgrid.sendgrid import answers
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.consent import (
    MAX_BYTES_PER_ERASURE,
    MAX_EMAILS_PER_ERASURE,
    MAX_EMAILS_PER_SUPPRESSION,
    SuppressionGroup,
)
from tests.unit.sendgrid.test_endpoints import client_of

if TYPE_CHECKING:
    from collections.abc import Callable

EMAILS = ["Ada@example.com", "grace@example.com"]
FOLDED = {"ada@example.com", "grace@example.com"}
BODY = '{"recipient_emails":["Ada@example.com","grace@example.com"]}'
GLOBAL = "/v3/asm/suppressions/global"
GROUP = "/v3/asm/groups/7/suppressions"
PAGES = "/v3/suppression/unsubscribes?limit=500&offset="


@pytest.mark.parametrize(
    ("call", "answer", "request_", "expected", "scope", "needs"),
    [
        (
            Client.suppression_groups,
            [{"id": 7, "name": "News", "description": "Letters", "is_default": True, "unsubscribes": 1}],
            ("GET", "/v3/asm/groups", "to read suppression groups", ""),
            [SuppressionGroup(7, "News")],
            "asm.groups.read",
            "`suppression_group_id` needs",
        ),
        (
            lambda client: client.suppress(EMAILS, None),
            {"recipient_emails": EMAILS},
            ("POST", GLOBAL, "to suppress people", BODY),
            FOLDED,
            "asm.suppressions.global.create",
            "`subscription_property` needs",
        ),
        (
            lambda client: client.suppress(EMAILS, 7),
            {"recipient_emails": EMAILS[:1], "global": False},
            ("POST", GROUP, "to suppress people", BODY),
            {"ada@example.com"},
            "asm.groups.suppressions.create",
            "`suppression_group_id` needs",
        ),
        (
            lambda client: client.group_suppressions(7),
            EMAILS,
            ("GET", GROUP, "to read suppressions", ""),
            EMAILS,
            "asm.groups.suppressions.read",
            "`suppression_group_id` needs",
        ),
        (
            lambda client: list(client.global_suppressions()),
            [],
            ("GET", f"{PAGES}0", "to read suppressions", ""),
            [],
            "suppression.unsubscribes.read",
            "`subscription_property` and `skip_suppressed` need",
        ),
        (
            lambda client: client.erase(EMAILS),
            {"job_id": "7"},
            (
                "POST",
                "/v3/recipients/erasejob",
                "to erase people",
                '{"email_addresses":["Ada@example.com","grace@example.com"]}',
            ),
            None,
            "recipients.erasejob.create",
            "`on_delete: erase` needs",
        ),
    ],
)
def test_each_call_sends_its_request_and_names_the_scope_and_the_settings_that_need_it(
    call: Callable[[Client], object],
    answer: object,
    request_: tuple[str, ...],
    expected: object,
    scope: str,
    needs: str,
) -> None:
    client, recorder = client_of(answer)
    assert call(client) == expected
    assert recorder.requests == [request_]
    assert recorder.access == [f"Give the key the scope `{scope}`, which {needs}."]


def test_a_403_names_the_scope_and_not_the_access_to_contacts() -> None:
    access = answers.scope_needed("asm.groups.read", "suppression_group_id")
    error = answers.error_for(403, b"{}", request="GET /v3/asm/groups", what="to x", wait_seconds=None, access=access)
    assert isinstance(error, ForbiddenError)
    assert str(error) == (
        "SendGrid forbids this API key to x (403)."
        " Give the key the scope `asm.groups.read`, which `suppression_group_id` needs."
    )


class TestSuppress:
    @pytest.mark.parametrize("said", [{"global": True}, {"global": None}, {"global": 0}, {}], ids=str)
    def test_a_group_that_sendgrid_does_not_confirm_is_an_error_and_not_tried_again(self, said: dict[str, Any]) -> None:
        client, recorder = client_of({"recipient_emails": EMAILS, **said})
        with pytest.raises(SendGridError, match="the suppression group 7 only") as caught:
            client.suppress(EMAILS, 7)
        assert caught.value.codes == [Code.WRONG_GROUP]
        assert len(recorder.requests) == 1

    @pytest.mark.parametrize("said", [{"global": True}, {"global": False}, {}], ids=str)
    def test_suppressing_all_mail_needs_no_such_word(self, said: dict[str, Any]) -> None:
        assert client_of({"recipient_emails": EMAILS, **said})[0].suppress(EMAILS, None) == FOLDED

    @pytest.mark.parametrize("answer", [{}, [], 7, {"recipient_emails": None}, {"recipient_emails": [7]}], ids=str)
    def test_an_answer_of_another_shape_may_be_asked_for_again(self, answer: object) -> None:
        with pytest.raises(TransientError):
            client_of(answer)[0].suppress(EMAILS, 7)

    @pytest.mark.parametrize("count", [0, MAX_EMAILS_PER_SUPPRESSION + 1])
    def test_too_many_addresses_and_none_are_a_mistake(self, count: int) -> None:
        with pytest.raises(ValueError, match=f"not {count}"):
            client_of()[0].suppress(["a@example.com"] * count, None)


class TestReading:
    def test_global_suppressions_are_read_until_a_page_is_empty(self) -> None:
        pages = [[{"email": f"p{number}@example.com", "created": 1} for number in part] for part in ((1, 2, 2), (3,))]
        client, recorder = client_of(*pages, [])
        assert list(client.global_suppressions()) == [
            ["p1@example.com", "p2@example.com", "p2@example.com"], ["p3@example.com"],
        ]  # fmt: skip
        assert [path for _, path, *_ in recorder.requests] == [f"{PAGES}{offset}" for offset in (0, 3, 4)]

    def test_the_same_page_again_is_an_error(self) -> None:
        client, recorder = client_of(*[[{"email": "ada@example.com"}]] * 3)
        with pytest.raises(SendGridError, match="do not end"):
            list(client.global_suppressions())
        assert len(recorder.requests) == 2

    @pytest.mark.parametrize("answer", [None, {}, {"result": []}, [{"created": 1}], ["a@example.com"]], ids=str)
    def test_an_answer_of_another_kind_is_not_taken_for_nobody(self, answer: object) -> None:
        with pytest.raises(TransientError):
            list(client_of(answer)[0].global_suppressions())


class TestErase:
    @pytest.mark.parametrize("count", [0, MAX_EMAILS_PER_ERASURE + 1])
    def test_too_many_addresses_and_none_are_a_mistake(self, count: int) -> None:
        with pytest.raises(ValueError, match=f"not {count}"):
            client_of()[0].erase(["a@example.com"] * count)

    @pytest.mark.parametrize("count", [1, MAX_EMAILS_PER_ERASURE])
    def test_as_many_addresses_as_the_vendor_says_are_sent_at_once(self, count: int) -> None:
        client, recorder = client_of({"job_id": "7"})
        client.erase([f"{number}@example.com" for number in range(count)])
        assert len(json.loads(recorder.requests[0][-1])["email_addresses"]) == count

    def test_too_many_bytes_are_not_sent(self) -> None:
        client, recorder = client_of({"job_id": "7"})
        count = 1000
        size = (MAX_BYTES_PER_ERASURE - len('{"email_addresses":[]}') + 1) // count - len('"",')
        emails = ["a" * size] * count
        emails[0] += "a" * (MAX_BYTES_PER_ERASURE - len(json.dumps({"email_addresses": emails}, separators=(",", ":"))))
        client.erase(emails)
        assert len(recorder.requests[0][-1]) == MAX_BYTES_PER_ERASURE
        emails[0] += "a"
        with pytest.raises(TooLargeError):
            client.erase(emails)
        assert len(recorder.requests) == 1
