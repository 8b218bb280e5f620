"""Changes that wait: how they are packed, and how they are counted by stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose, StreamCount, pack, stream_counts, unpack
from target_sendgrid.origin import Origin

PURPOSE = Purpose(upsert_kind(10, 1_000), ("L",))


def test_contacts_and_records_are_counted_by_stream() -> None:
    alone = Change(PURPOSE, "b", b"{}", Origin("people", 4))
    merged = Change(PURPOSE, "a", b"{}", Origin("people", 1), [Origin("guests", 2), Origin("people", 3)])
    expected = {"people": StreamCount(contacts=2, records=3), "guests": StreamCount(contacts=1, records=1)}
    assert stream_counts([alone, merged]) == expected


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from("abc"), max_size=2)), max_size=6))
def test_streams_are_counted_alike_with_and_without_merged_records(made_of: list[tuple[str, list[str]]]) -> None:
    changes = [
        Change(PURPOSE, "a", b"{}", Origin(first, 1), [Origin(name, 2) for name in later] or None)
        for first, later in made_of
    ]
    streams = {name for first, later in made_of for name in (first, *later)}
    assert stream_counts(changes) == {
        stream: StreamCount(
            sum(stream in (first, *later) for first, later in made_of),
            sum((first, *later).count(stream) for first, later in made_of),
        )
        for stream in streams
    }


def test_changes_are_the_same_after_they_were_packed() -> None:
    changes = {
        "b": Change(PURPOSE, "b", b'{"email":"b"}', Origin("people", 4)),
        "a": Change(PURPOSE, "a", b'{"email":"a"}', Origin("people", 1), [Origin("guests", 2, 3, b"{}")]),
    }
    assert unpack(pack(changes), PURPOSE) == changes
