"""The client that only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.sendgrid.contact import Body
from target_sendgrid.sendgrid.dry_run import ReadingClient, is_new
from target_sendgrid.sendgrid.fields import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.sendgrid.transport import Transport

NO_TRANSPORT = cast("Transport", None)
"""Any request would fail."""


def test_what_it_creates_is_new_and_has_an_id_of_its_own() -> None:
    client = ReadingClient(NO_TRANSPORT)
    one, two = client.create_list("One"), client.create_list("Two")
    assert (one.name, two.name, is_new(one.id), one.id != two.id) == ("One", "Two", True, True)
    assert client.create_field("ltv", FieldType.NUMBER).field_type is FieldType.NUMBER


def test_a_list_of_the_account_is_not_new() -> None:
    assert not is_new("3fa85f64-5717-4562-b3fc-2c963f66afa6")


def test_it_refuses_to_send_contacts() -> None:
    client, body = ReadingClient(NO_TRANSPORT), Body([], [])
    with pytest.raises(LookupError):
        client.upsert(body)


def test_it_refuses_to_remove_contacts() -> None:
    with pytest.raises(LookupError):
        ReadingClient(NO_TRANSPORT).remove_from_list("one", ["two"])


def test_it_refuses_to_suppress_delete_and_erase() -> None:
    client = ReadingClient(NO_TRANSPORT)
    writes: list[Callable[[], object]] = [
        lambda: client.suppress(["ada@example.com"], None),
        lambda: client.delete_contacts(["two"]),
        lambda: client.erase(["ada@example.com"]),
    ]
    for write in writes:
        with pytest.raises(LookupError):
            write()
