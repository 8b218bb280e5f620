from __future__ import annotations

import json
from typing import Any

import pytest

from target_sendgrid.audience.bookmarks import replication_position

WHEN = "2026-01-01T00:00:00Z"


def position(state: Any, *others: str, stream: str = "users") -> str | None:
    return replication_position(json.dumps(state).encode(), stream, others)


def of_users(bookmark: Any) -> str | None:
    return position({"bookmarks": {"users": bookmark}})


MELTANO_SDK_WHOLE = [
    {},
    {"partitions": []},
    {"partitions": [{"context": {"account_id": 7}}, {"context": {"account_id": 8}}]},
    {"partitions": [{"context": {"account_id": 7}, "starting_replication_value": None}]},
    {"starting_replication_value": None},
    {"progress_markers": {}},
]

SINGER_PYTHON_WHOLE: list[Any] = [None, {"updated_at": None}, {"offset": {}}, {"offset": {"page": None}}]

PIPELINEWISE_WHOLE = [
    {"last_replication_method": "FULL_TABLE"},
    {"last_replication_method": "FULL_TABLE", "version": 1767225600000, "xmin": None},
    {"initial_full_table_complete": True},
    {"initial_full_table_complete": True, "version": 1767225600000},
    {"max_pk_values": None, "last_pk_fetched": None, "initial_full_table_complete": True},
]


@pytest.mark.parametrize("bookmark", [*MELTANO_SDK_WHOLE, *SINGER_PYTHON_WHOLE, *PIPELINEWISE_WHOLE])
def test_a_bookmark_without_a_position_is_that_of_a_whole_read(bookmark: Any) -> None:
    assert of_users(bookmark) is None


MELTANO_SDK_POSITIONS = [
    ({"replication_key": "updated_at", "replication_key_value": WHEN}, "`replication_key`"),
    ({"replication_key_value": WHEN}, "`replication_key_value`"),
    ({"replication_key_signpost": WHEN}, "`replication_key_signpost`"),
    ({"starting_replication_value": WHEN}, "`starting_replication_value`"),
    ({"progress_markers": {"Note": "Progress is not resumable if interrupted."}}, "`progress_markers`"),
    ({"progress_markers": {"replication_key_value": WHEN}}, "`progress_markers`"),
    ({"partitions": [{"context": {"a": 1}}, {"context": {"a": 2}, "replication_key_value": WHEN}]},
     "`replication_key_value`"),
    ({"partitions": [{"context": {"a": 1}, "partitions": [{"context": {"b": 2}, "progress_markers": {"x": 1}}]}]},
     "`progress_markers`"),
    ({"partitions": {"eu": {"updated_at": WHEN}}}, "`updated_at`"),
    ({"partitions": [WHEN]}, "a bookmark that is not an object"),
]  # fmt: skip

SINGER_PYTHON_POSITIONS = [
    ({"updated_at": WHEN}, "`updated_at`"),
    ({"id": 0}, "`id`"),
    ({"version": 1767225600000}, "`version`"),
    ({"context": "x"}, "`context`"),
    ({"offset": {"page": 3}}, "`page`"),
    (WHEN, "a bookmark that is not an object"),
    (0, "a bookmark that is not an object"),
    ([WHEN], "a bookmark that is not an object"),
    ("", "a bookmark that is not an object"),
    ({"ids": [1]}, "`ids`"),
    ({"is_done": False}, "`is_done`"),
]

PIPELINEWISE_POSITIONS = [
    ({"last_replication_method": "LOG_BASED", "lsn": 108197216, "version": 1767225600000}, "`last_replication_method`"),
    ({"last_replication_method": "INCREMENTAL"}, "`last_replication_method`"),
    ({"last_replication_method": "full_table"}, "`last_replication_method`"),
    ({"last_replication_method": "FULL_TABLE", "xmin": 4711}, "`xmin`"),
    ({"last_replication_method": "FULL_TABLE", "replication_key_value": 7}, "`replication_key_value`"),
    ({"last_replication_method": "FULL_TABLE", "initial_full_table_complete": False}, "`initial_full_table_complete`"),
    ({"lsn": 108197216}, "`lsn`"),
    ({"max_pk_values": {"id": 9}, "last_pk_fetched": {"id": 4}}, "`max_pk_values`"),
    ({"last_pk_fetched": {"id": 4}, "initial_full_table_complete": True}, "`last_pk_fetched`"),
    ({"initial_full_table_complete": False}, "`initial_full_table_complete`"),
    ({"initial_full_table_complete": False, "version": 1}, "`initial_full_table_complete`"),
    ({"log_file": "mysql-bin.000003", "log_pos": 6123}, "`log_file`"),
    ({"initial_full_table_complete": True, "current_log_version": 3}, "`current_log_version`"),
]


@pytest.mark.parametrize(
    ("bookmark", "found"), [*MELTANO_SDK_POSITIONS, *SINGER_PYTHON_POSITIONS, *PIPELINEWISE_POSITIONS]
)
def test_a_position_in_a_bookmark_is_found(bookmark: Any, found: str) -> None:
    assert of_users(bookmark) == found


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"bookmarks": {}},
        {"bookmarks": None},
        {"bookmarks": {"users": {}}, "currently_syncing": None},
        {"bookmarks": {"users": {}, "orders": {"updated_at": WHEN}}},
        {"bookmarks": {"users": {}, "orders": {"updated_at": WHEN}}, "currently_syncing": "orders"},
        {"bookmarks": {"orders": {"updated_at": WHEN}}, "currently_syncing": "shop-public-orders"},
        {"bookmarks": {"shop-public-orders": {"updated_at": WHEN}}},
        {"bookmarks": {"users": {}, "all_users": {"updated_at": WHEN}}},
    ],
)
def test_a_state_without_a_position_of_the_stream_is_that_of_a_whole_read(state: Any) -> None:
    assert position(state, "orders") is None


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"bookmarks": {"users": {}}, "currently_syncing": "users"}, "`currently_syncing`"),
        ({"bookmarks": {"users": {}}, "currently_syncing": "shop-users"}, "`currently_syncing`"),
        ({"currently_syncing": ["users"]}, "`currently_syncing`"),
        ({"bookmarks": [{"stream": "users"}]}, "`bookmarks`"),
        ({"users": WHEN}, "`users`"),
        ({"users": {"updated_at": WHEN}}, "`users`"),
        ({"bookmarks": {}, "start_date": WHEN}, "`start_date`"),
        (WHEN, "something other than an object"),
        ([{}], "something other than an object"),
        (0, "something other than an object"),
    ],
)
def test_a_state_of_another_shape_may_hold_a_position(state: Any, found: str) -> None:
    assert position(state, "orders") == found


@pytest.mark.parametrize("name", ["public-users", "shop-public-users", "shop_dbo_users", "SHOP.USERS", "public:Users"])
def test_a_bookmark_may_have_the_names_of_database_and_schema_before_that_of_the_stream(name: str) -> None:
    assert position({"bookmarks": {name: {"lsn": 1}}}) == "`lsn`"
    assert position({"bookmarks": {name: {}, "orders": {"lsn": 1}}}) is None
    assert position({"bookmarks": {name: {"lsn": 1}, "users": {}}}) is None


def test_a_name_that_only_ends_like_that_of_the_stream_is_another_one() -> None:
    state = {"bookmarks": {"superusers": {}, "people": {"lsn": 1}}}
    assert position(state) == "`lsn`"
    assert position(state, "people") is None


def test_a_bookmark_that_may_be_of_either_of_two_streams_counts_for_both() -> None:
    state = {"bookmarks": {"shop-all-users": {"lsn": 1}}}
    assert position(state, "all-users") == "`lsn`"
    assert position(state, "users", stream="all-users") == "`lsn`"
    assert position(state, "shop-all-users") is None


def test_bookmarks_may_be_divided_by_something_else_first() -> None:
    state = {"bookmarks": {"example/shop": {"users": {"since": WHEN}, "orders": {}}}}
    assert position(state, "orders") == "`since`"
    assert position(state, "users", stream="orders") is None


def test_a_bookmark_of_no_stream_that_came_may_be_that_of_the_stream_under_another_name() -> None:
    state = {"bookmarks": {"crm_people": {"updated_at": WHEN}, "orders": {"updated_at": WHEN}}}
    assert position(state, "orders", stream="people_of_the_shop") == "`updated_at`"
    assert position(state, "orders", "crm_people", stream="people_of_the_shop") is None
    assert position({"bookmarks": {"crm_people": {}}}, stream="people_of_the_shop") is None


def test_a_stream_that_has_an_alias_is_looked_up_by_its_name_in_the_tap() -> None:
    state = {"bookmarks": {"users": {"updated_at": WHEN}, "members": {}}}
    assert position(state, stream="users") == "`updated_at`"


@pytest.mark.parametrize("key", ["ada@example.com", "", "7", "Ada Lovelace", "a" * 65, "\u202eid"])
def test_a_key_that_may_be_a_value_is_not_named(key: str) -> None:
    assert of_users({key: WHEN}) == "a key of the tap's own"


@pytest.mark.parametrize("state", [b"", b"{", b"\xff", b'{"a":' * 100_000 + b"1" + b"}" * 100_000])
def test_a_state_that_cannot_be_read_may_hold_a_position(state: bytes) -> None:
    assert replication_position(state, "users") == "something that can't be read"


@pytest.mark.parametrize("number", [b"NaN", b"1e999", b"1" * 5_000])
def test_numbers_of_any_kind_are_positions(number: bytes) -> None:
    assert replication_position(b'{"bookmarks": {"users": {"id": %s}}}' % number, "users") == "`id`"
