"""The check reads the records of streams with a `subscription_property`, to count whom they would unsubscribe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import record, schema, state
from tests.harness.removals import deleted

if TYPE_CHECKING:
    from tests.harness.account import Account, Message

OPENED = schema(email="string", external_id="string", status={"type": ["string", "boolean", "null"]})
MAPPING = {"email": "email", "external_id": "external_id"}
SUBSCRIPTION: dict[str, Any] = {"subscription_property": "status", "unsubscribed_values": ["no", False]}


def found(account: Account, *messages: Message, **config: Any) -> list[tuple[str, str]]:
    """Return the findings about records, each with its level."""
    checked = account.check(*messages, **{"field_mapping": MAPPING, **SUBSCRIPTION, **config})
    return [
        (level, sentence)
        for level, sentence in checked.findings
        if "unsubscribe" in sentence and sentence.startswith("Stream")
    ]


def crowd(count: int, status: object, stream: str = "people") -> list[dict[str, Any]]:
    return [record(stream, email=f"p{number}@x.com", status=status) for number in range(count)]


def test_people_are_counted_once_by_what_their_records_say(account: Account) -> None:
    rows = [
        record(email="a@x.com", status=" NO "),
        record(email="A@x.com", status="yes"),
        record(email="b@x.com", status=False),
        record(email="c@x.com"),
        deleted(email="d@x.com", status="no"),
        record(external_id="7", status="no"),
        record(status="no"),
        record(email="no address", status="no"),
        record(email="e@x.com", status=["no"]),
    ]
    sentence = "Stream 'people': the records would unsubscribe 3 of 6 people."
    assert found(account, OPENED, *rows, OPENED, state(1)) == [("ok", sentence)]


def test_people_of_several_streams_are_one_for_the_guard(account: Account) -> None:
    guests = schema("guests", email="string", status="string")
    findings = found(
        account, OPENED, guests, *crowd(20, "yes"), *crowd(12, "no", "guests"), field_mapping={"email": "email"}
    )
    (warning,) = (sentence for level, sentence in findings if level == "warning" and "'guests'" in sentence)
    assert "12 of the 20 people of the run would be unsubscribed" in warning


def test_a_flag_that_is_read_the_wrong_way_round_is_a_warning(account: Account) -> None:
    rows = [*crowd(475, "no"), *[record(email=f"q{number}@x.com", status="yes") for number in range(25)]]
    assert found(account, OPENED, *rows) == [
        (
            "warning",
            (
                "Stream 'people': 475 of the 500 people of the run would be unsubscribed, more than 10 and more than"
                ' half. If they have, allow it: `streams: {"people": {"max_suppressions": 475}}`. Otherwise correct'
                " `unsubscribed_values`. A run would unsubscribe nobody of the stream."
            ),
        )
    ]
    assert found(account, OPENED, *rows, max_suppressions=475)[0][0] == "ok"


def test_max_suppressions_is_the_limit_where_it_is_set(account: Account) -> None:
    ((level, sentence),) = found(account, OPENED, *crowd(3, "no"), max_suppressions=2)
    assert level == "warning"
    assert "`max_suppressions` is 2" in sentence


def test_that_no_record_has_one_of_the_values_is_a_warning(account: Account) -> None:
    assert found(account, OPENED, *crowd(3, "never")) == [
        (
            "warning",
            (
                "Stream 'people': the records would unsubscribe 0 of 3 people. Compare `unsubscribed_values` with the"
                " values of the property."
            ),
        )
    ]
    assert found(account, OPENED)[0][0] == "ok"


def test_records_are_counted_after_stream_maps(account: Account) -> None:
    maps = {"people": {"email": "email.lower()", "status": "'no' if status == 'off' else 'yes'", "__else__": None}}
    rows = [*crowd(2, "off"), record(status="off"), record(email="b@x.com", status="no")]
    sentence = "Stream 'people': the records would unsubscribe 2 of 3 people."
    config = {"stream_maps": maps, "field_mapping": {"email": "email"}}
    assert found(account, OPENED, *rows, **config) == [("ok", sentence)]
    maps["people"]["__filter__"] = "email != 'p0@x.com'"
    sentence = "Stream 'people': the records would unsubscribe 1 of 2 people."
    assert found(account, OPENED, *rows, **config) == [("ok", sentence)]


@pytest.mark.parametrize("line", [{"type": "RECORD", "stream": "people", "record": 7}, b"x" * 10])
def test_only_records_that_are_objects_count(account: Account, line: Message) -> None:
    line = line if isinstance(line, dict) else b'{"type":"RECORD","stream":"people","record":{"email":NaN}}\n'
    assert found(account, OPENED, line, *crowd(1, "no"))[0][1].endswith("1 of 1 people.")


def test_records_of_other_streams_are_not_read(account: Account) -> None:
    streams = {"people": SUBSCRIPTION, "guests": {"field_mapping": {"email": "email"}}}
    messages = [OPENED, *crowd(1, "no"), schema("guests", email="string"), *crowd(3, "no", "guests")]
    config = {"subscription_property": None, "unsubscribed_values": None, "streams": streams}
    assert [sentence for _, sentence in found(account, *messages, **config)] == [
        "Stream 'people': the records would unsubscribe 1 of 1 people."
    ]


def test_files_of_batch_messages_are_read(account: Account) -> None:
    path = account.folder / "people.jsonl"
    path.write_text("".join(json.dumps(one["record"]) + "\n" for one in crowd(4, "no")), encoding="utf-8")
    batch = {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    assert found(account, OPENED, batch)[0][1].endswith("4 of 4 people.")
