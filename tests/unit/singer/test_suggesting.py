"""What `--suggest-mapping` reads, and what it writes. Whole runs with what it suggests are in tests/runs."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import InputError, LocalFileError
from target_sendgrid.singer import suggesting
from target_sendgrid.singer.suggesting import read_streams, suggest_mapping
from tests.harness.messages import PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ORDERS = schema("orders", id="integer", total="number")


def read(*messages: Any) -> dict[str, tuple[list[str], list[str]]]:
    """Return the properties of each stream that its schema lists, and those that its records show."""
    content = b"".join(one if isinstance(one, bytes) else singer(one) for one in messages)
    return {
        name: (list(listed.get("properties", {})), list((shown or {}).get("properties", {})))
        for name, listed, shown in read_streams(io.BytesIO(content))
    }


def catalog(*streams: Any, **options: Any) -> bytes:
    return json.dumps({"streams": streams}, **options).encode()


class TestMessages:
    def test_schemas_are_read_and_all_else_is_skipped(self) -> None:
        others = [record(email="a@example.com", other=1), state(1), b"\n", {"type": "BATCH", "stream": "people"}]
        assert read(PEOPLE, *others, ORDERS, {"type": "ACTIVATE_VERSION", "stream": "x", "version": 1}) == {
            "people": (["email", "first_name", "score"], []),
            "orders": (["id", "total"], []),
        }

    def test_the_last_schema_of_a_stream_counts(self) -> None:
        assert read(PEOPLE, schema(mail="string")) == {"people": (["mail"], [])}

    def test_schemas_of_older_drafts_are_translated(self) -> None:
        message = schema(email={"type": [["null", "string"]]})
        ((_, listed, _),) = read_streams(io.BytesIO(singer(message)))
        assert listed["properties"]["email"] == {"type": ["null", "string"]}

    @pytest.mark.parametrize(
        "open_schema",
        [
            {"type": "object"},
            {"properties": {"email": {}}, "additionalProperties": True},
            {"properties": {"email": {"type": "string"}, "document": {"type": ["object", "string"]}}},
            {"properties": {"id": {"type": "string"}}},
        ],
    )
    def test_records_are_looked_at_where_the_schema_is_open(self, open_schema: dict[str, Any]) -> None:
        message = {"type": "SCHEMA", "stream": "people", "schema": open_schema, "key_properties": []}
        ((_, seen),) = read(record(city="x"), message, record(email="a@example.com"), record(zip=1), PEOPLE).values()
        assert seen == ["email", "zip"]

    def test_a_record_that_is_no_object_shows_nothing(self) -> None:
        assert read(schema(id="string"), {"type": "RECORD", "stream": "people", "record": [1]}) == {
            "people": (["id"], [])
        }

    def test_what_is_no_strict_json_is_read_as_in_a_run(self) -> None:
        line = singer(schema(mail={"type": "string", "maximum": 7})).replace(b"7", b"NaN")
        bad = singer(record(id=7)).replace(b"7", b"NaN")
        assert read(line, bad, ORDERS) == {"people": (["mail"], []), "orders": (["id", "total"], [])}
        assert read(schema(id="string"), bad, ORDERS).keys() == {"people", "orders"}

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (b"not JSON\n", "Line 2 of standard input is no Singer message"),
            (b'{"type": "SCHEMA", "stream"', "Line 2 of standard input is no Singer message"),
            (b'{"a": 1}\n', "Line 2 of standard input is no Singer message"),
            (b"[]\n", "Line 2 of standard input is no Singer message"),
            (b'{"type": "SCHEMA", "stream": "a"}\n', "Line 2 of standard input has no stream with a `schema`"),
            (b'{"type": "SCHEMA", "schema": {}}\n', "Line 2 of standard input has no stream with a `schema`"),
            (singer(schema(a=json.loads('{"items":' * 400 + "{}" + "}" * 400))), "is nested too deeply"),
        ],
    )
    def test_a_wrong_line_is_named(self, line: bytes, words: str) -> None:
        with pytest.raises(InputError, match=words):
            read(PEOPLE, line)

    def test_a_long_input_takes_little_memory(self) -> None:
        def lines() -> Iterator[bytes]:
            yield singer(schema(id="string"))
            for number in range(3_000):
                yield singer(record(**{f"name_{number}": "x" * 10_000}))

        tracemalloc.start()
        list(read_streams(Trickle(lines())))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
        tracemalloc.stop()


class Trickle(io.BytesIO):
    """A file whose content is made while it is read."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        super().__init__()
        self._parts = iter(parts)

    def read(self, _size: int | None = -1, /) -> bytes:
        return next(self._parts, b"")


class TestCatalogs:
    STREAMS = (
        {"tap_stream_id": "db-people", "stream": "people", "schema": {"properties": {"Email": {}}}},
        {"tap_stream_id": "orders", "schema": {"properties": {"id": {}}}},
    )

    @pytest.mark.parametrize("options", [{}, {"indent": 2}])
    @pytest.mark.parametrize("before", [b"", b"\n", b"\xef\xbb\xbf"])
    def test_a_catalog_is_read_from_one_line_or_many(self, options: dict[str, Any], before: bytes) -> None:
        assert read(before + catalog(*self.STREAMS, **options)) == {"people": (["Email"], []), "orders": (["id"], [])}

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b'{\n"streams": [\n', "neither Singer messages nor a catalog that is whole"),
            (b'{"streams": {}}', "no Singer message and no catalog"),
            (b'{"version": 1}', "no Singer message and no catalog"),
            (b"[]", "Line 1 of standard input is no Singer message"),
            (b"INFO starting\n", "Line 1 of standard input is no Singer message"),
            (catalog(7), "Entry 1 of the catalog has no stream"),
            (catalog({"stream": "a"}), "Entry 1 of the catalog has no stream"),
        ],
    )
    def test_what_is_no_catalog_is_said(self, content: bytes, words: str) -> None:
        with pytest.raises(InputError, match=words):
            read(content)

    def test_a_catalog_has_a_largest_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(suggesting, "_MAX_CATALOG_BYTES", 100)
        with pytest.raises(InputError, match="The catalog is larger than 100 bytes"):
            read(catalog(*self.STREAMS, indent=2))


class TestOutput:
    def test_a_part_of_meltano_yml_is_written(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert suggest_mapping(io.BytesIO(singer(PEOPLE)), output_format=None) == 0
        assert "            email: email  # the same name\n" in capsys.readouterr().out

    def test_a_config_is_written(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert suggest_mapping(io.BytesIO(singer(PEOPLE)), output_format="json") == 0
        assert json.loads(capsys.readouterr().out)["streams"]["people"]["field_mapping"]["email"] == "email"

    @pytest.mark.parametrize("content", [b"", b"\n", singer(state(1)), catalog()])
    def test_an_input_without_streams_is_an_error(self, content: bytes) -> None:
        with pytest.raises(InputError, match="No stream has come"):
            suggest_mapping(io.BytesIO(content), output_format=None)

    @pytest.mark.parametrize("stdin", [None, io.TextIOWrapper(io.BytesIO())])
    def test_a_terminal_is_no_input(self, monkeypatch: pytest.MonkeyPatch, stdin: io.TextIOWrapper | None) -> None:
        if stdin is not None:
            monkeypatch.setattr(stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(InputError, match="Standard input is no pipe"):
            suggest_mapping(None, output_format=None)

    def test_an_output_that_can_not_be_written_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Full(io.StringIO):
            def write(self, _text: str, /) -> int:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr("sys.stdout", Full())
        with pytest.raises(LocalFileError, match="No space left on device"):
            suggest_mapping(io.BytesIO(singer(PEOPLE)), output_format=None)
