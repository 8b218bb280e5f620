from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from target_sendgrid.errors import LocalFileError, Reason, TooManyRejectedError
from target_sendgrid.origin import Origin
from target_sendgrid.report.rejections import MEANINGS, Rejections
from target_sendgrid.report.report import Bucket, Report, StreamReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARKER = "zaphod"
MESSAGE = b'{"type": "RECORD", "stream": "people", "record": {"email": "zaphod", "size": 1.50}}'
SENTENCE = "property 'mail' (for email) is not an email address."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rejected.jsonl"


@pytest.fixture
def rejections(path: Path) -> Iterator[Rejections]:
    opened = Rejections(str(path), 10)
    yield opened
    opened.close()


def reject(rejections: Rejections, line: int = 7, reason: Reason = Reason.INVALID_EMAIL) -> None:
    add(rejections, Origin("people", line, message=MESSAGE), reason, SENTENCE, f"email '{MARKER}' is not valid")


def add(rejections: Rejections, origin: Origin, *arguments: Any, report: Report | None = None) -> None:
    rejections.add(origin, *arguments, report=report or Report(), now=1_767_225_600.25)


def entries_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_reason_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Reason)


class TestEntries:
    def test_an_entry_holds_all_that_is_known(self, rejections: Rejections, path: Path) -> None:
        rejections.keep_keys("people", ["id"])
        rejections.keep_schema("people", b'{"type":"SCHEMA"}')
        report = Report(streams={"people": StreamReport(list_id="b1c9", list_name="News")})
        origin = Origin("people", 7, message=MESSAGE, record_number=5)
        add(rejections, origin, Reason.INVALID_EMAIL, SENTENCE, "email 'zaphod' is not valid", report=report)
        assert entries_of(path) == [
            {
                "time": "2026-01-01T00:00:00.250+00:00",
                "run_id": report.run_id,
                "list_id": "b1c9",
                "list_name": "News",
                "stream": "people",
                "line": 7,
                "file_line": None,
                "record_number": 5,
                "key_properties": ["id"],
                "reason": "invalid_email",
                "sentence": SENTENCE,
                "sendgrid_message": "email 'zaphod' is not valid",
                "schema": {"type": "SCHEMA"},
                "message": json.loads(MESSAGE),
            }
        ]

    def test_the_message_is_kept_to_the_letter(self, rejections: Rejections, path: Path) -> None:
        reject(rejections)
        assert MESSAGE in path.read_bytes()

    @pytest.mark.parametrize(("message", "text"), [(b'{"a": \xff"\n}', '{"a": \\xff"\n}'), (None, None)])
    def test_a_message_that_is_no_json_is_kept_as_text(
        self, rejections: Rejections, path: Path, message: bytes | None, text: str | None
    ) -> None:
        add(rejections, Origin("people", 7, message=message), Reason.UNREADABLE, SENTENCE)
        (entry,) = entries_of(path)
        assert (entry["message"], entry.get("text")) == (None, text)

    def test_a_record_of_a_batch_file_has_its_line_there(self, rejections: Rejections, path: Path) -> None:
        add(rejections, Origin("people", 7, 3), Reason.NOT_AN_OBJECT, SENTENCE)
        (entry,) = entries_of(path)
        assert (entry["line"], entry["file_line"], entry["message"], entry["key_properties"]) == (7, 3, None, [])

    def test_an_entry_is_one_line_even_where_a_sentence_is_not(self, rejections: Rejections, path: Path) -> None:
        add(rejections, Origin("people\n", 7), Reason.REFUSED_BY_SENDGRID, "one\ntwo", "three\r\nfour")
        assert len(path.read_bytes().splitlines()) == 1

    def test_an_entry_is_in_the_file_at_once(self, rejections: Rejections, path: Path) -> None:
        reject(rejections)
        assert len(entries_of(path)) == 1


class TestFile:
    def test_a_new_file_is_for_its_owner_only(self, rejections: Rejections, path: Path) -> None:
        del rejections
        assert mode_of(path) == 0o600

    def test_a_new_file_is_for_its_owner_only_whatever_the_mask(self, path: Path) -> None:
        mask = os.umask(0)
        try:
            Rejections(str(path), 10).close()
        finally:
            os.umask(mask)
        assert mode_of(path) == 0o600

    def test_a_new_file_is_for_its_owner_only_from_the_first_moment(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modes: list[int] = []
        monkeypatch.setattr(os, "fchmod", lambda *_: modes.append(mode_of(path)))
        Rejections(str(path), 10).close()
        assert [mode & 0o077 for mode in modes] == [0]

    def test_a_file_that_others_can_read_is_closed_to_them(self, path: Path) -> None:
        path.touch()
        path.chmod(0o666)
        Rejections(str(path), 10).close()
        assert mode_of(path) == 0o600

    def test_a_file_is_appended_to_and_never_truncated(self, path: Path) -> None:
        for line in (1, 2):
            rejections = Rejections(str(path), 10)
            reject(rejections, line)
            rejections.close()
        assert [entry["line"] for entry in entries_of(path)] == [1, 2]

    def test_a_line_that_an_earlier_run_left_half_written_spoils_no_other(self, path: Path) -> None:
        path.write_bytes(b'{"line":1}\n{"line":')
        rejections = Rejections(str(path), 10)
        reject(rejections, 2)
        rejections.close()
        first, half, second = path.read_bytes().splitlines()
        assert (first, half, json.loads(second)["line"]) == (b'{"line":1}', b'{"line":', 2)

    def test_a_symbolic_link_is_not_followed(self, path: Path) -> None:
        other = path.with_name("other")
        other.touch(0o644)
        path.symlink_to(other)
        with pytest.raises(LocalFileError):
            Rejections(str(path), 10)
        assert (other.read_bytes(), mode_of(other)) == (b"", 0o644)

    def test_a_dangling_symbolic_link_is_not_followed(self, path: Path) -> None:
        path.symlink_to(path.with_name("other"))
        with pytest.raises(LocalFileError):
            Rejections(str(path), 10)
        assert not path.with_name("other").exists()

    def test_a_directory_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(LocalFileError, match="rejected_records_path"):
            Rejections(str(tmp_path), 10)

    def test_a_pipe_nobody_reads_is_refused_without_waiting(self, path: Path) -> None:
        os.mkfifo(path)
        with pytest.raises(LocalFileError, match="rejected_records_path"):
            Rejections(str(path), 10)

    def test_a_pipe_that_somebody_reads_is_refused(self, path: Path) -> None:
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            with pytest.raises(LocalFileError, match="not a plain file"):
                Rejections(str(path), 10)
        finally:
            os.close(reader)

    @pytest.mark.parametrize("name", ["missing/rejected.jsonl", "x" * 300, "nul\0byte"])
    def test_a_path_that_can_not_be_opened_is_reported(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(LocalFileError, match=r"`rejected_records_path`: .* can't be opened for appending: "):
            Rejections(str(tmp_path / name), 10)

    def test_the_home_of_an_unknown_user_is_reported(self) -> None:
        with pytest.raises(LocalFileError, match="rejected_records_path"):
            Rejections("~nobody-of-this-name/rejected.jsonl", 10)

    def test_a_home_is_expanded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        Rejections("~/rejected.jsonl", 10).close()
        assert (tmp_path / "rejected.jsonl").exists()

    def test_a_file_of_another_user_is_refused(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def forbid(descriptor: int, mode: int) -> NoReturn:
            del descriptor, mode
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "fchmod", forbid)
        with pytest.raises(LocalFileError, match="Operation not permitted"):
            Rejections(str(path), 10)

    def test_without_a_path_nothing_is_kept(self) -> None:
        rejections = Rejections(None, 10)
        reject(rejections)
        rejections.flush()
        rejections.close()
        assert not rejections.keeps_records

    def test_with_a_path_records_are_kept(self, rejections: Rejections) -> None:
        assert rejections.keeps_records

    def test_a_file_can_be_closed_twice(self, rejections: Rejections) -> None:
        rejections.close()
        rejections.close()
        assert not rejections.keeps_records


class TestDisk:
    def test_a_full_disk_is_reported(self, rejections: Rejections, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(descriptor: int, data: object) -> NoReturn:
            del descriptor, data
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(LocalFileError) as caught:
            reject(rejections)
        expected = f"Rejected records can't be written to {path}: No space left on device."
        assert (str(caught.value), MARKER in str(caught.value)) == (expected, False)

    def test_a_write_that_takes_only_some_bytes_is_continued(
        self, rejections: Rejections, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
        reject(rejections)
        assert len(entries_of(path)) == 1

    def test_nothing_is_written_behind_half_a_line(
        self, rejections: Rejections, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, room = os.write, [7]

        def write_half(descriptor: int, data: bytes) -> int:
            if not room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(descriptor, bytes(data)[: room.pop()])

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write_half)
            with pytest.raises(LocalFileError, match="No space left on device"):
                reject(rejections)
        for _ in range(2):  # also when there is room again
            with pytest.raises(LocalFileError, match="No space left on device"):
                reject(rejections)
        assert len(path.read_bytes()) == 7

    def test_what_was_written_is_synced_to_the_disk_once(
        self, rejections: Rejections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        rejections.flush()
        reject(rejections)
        rejections.flush()
        rejections.flush()
        assert [type(descriptor) for descriptor in synced] == [int]

    def test_a_disk_that_loses_what_was_written_is_reported(
        self, rejections: Rejections, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int) -> NoReturn:
            del descriptor
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        reject(rejections)
        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(LocalFileError, match="Input/output error"):
            rejections.flush()


class TestLog:
    def test_a_rejected_record_is_named_by_stream_line_and_reason(self, caplog: pytest.LogCaptureFixture) -> None:
        reject(Rejections(None, 10))
        assert caplog.messages == [f"Rejected: stream 'people', line 7: invalid_email: {SENTENCE}"]

    def test_no_value_and_no_message_of_sendgrid_is_logged(
        self, rejections: Rejections, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        reject(rejections)
        assert MARKER not in caplog.text

    def test_ten_of_a_kind_are_logged_and_the_tenth_says_so(self, caplog: pytest.LogCaptureFixture) -> None:
        rejections = Rejections(None, 10)
        for line in range(1, 13):
            reject(rejections, line)
        ends = [message.endswith("More of this kind are counted, not named.") for message in caplog.messages]
        assert ends == [False] * 9 + [True]

    def test_each_reason_and_each_stream_is_a_kind_of_its_own(self, caplog: pytest.LogCaptureFixture) -> None:
        rejections = Rejections(None, 10)
        for line in range(1, 31):
            reject(rejections, line)
            reject(rejections, line, Reason.TOO_LONG)
            add(rejections, Origin("guests", line), Reason.TOO_LONG, SENTENCE)
        assert len(caplog.messages) == 30

    def test_records_that_are_not_logged_are_kept_all_the_same(self, rejections: Rejections, path: Path) -> None:
        for line in range(1, 31):
            reject(rejections, line)
        assert [entry["line"] for entry in entries_of(path)] == list(range(1, 31))


def report_of(accepted: int = 0, ignored: int = 0, **rejected: int) -> Report:
    reasons = Counter({Reason(code): count for code, count in rejected.items()})
    buckets = Counter({Bucket.UPSERTED: accepted, Bucket.IGNORED: ignored})
    received = accepted + ignored + reasons.total()
    return Report(streams={"people": StreamReport(received, buckets, reasons), "guests": StreamReport()})


class TestLimit:
    @pytest.mark.parametrize(
        ("percent", "report"),
        [
            (10, report_of()),
            (10, report_of(ignored=5)),
            (10, report_of(2, invalid_email=1)),
            (10, report_of(99, invalid_email=6, too_long=5)),
            (10, report_of(1, no_identifier=100)),
            (100, report_of(invalid_email=100)),
        ],
    )
    def test_rejected_records_within_the_limit_are_allowed(self, percent: float, report: Report) -> None:
        Rejections(None, percent).check(report, None)

    @pytest.mark.parametrize(
        ("percent", "report"),
        [
            (10, report_of(ignored=100, invalid_email=1)),
            (10, report_of(98, invalid_email=6, too_long=5)),
            (10, report_of(98, ignored=1_000, invalid_email=6, too_long=5, no_identifier=1_000)),
            (10, report_of(no_identifier=1)),
            (0, report_of(1_000, invalid_email=1)),
        ],
    )
    def test_rejected_records_beyond_the_limit_fail_the_run(self, percent: float, report: Report) -> None:
        with pytest.raises(TooManyRejectedError):
            Rejections(None, percent).check(report, None)

    def test_the_error_names_counts_the_commonest_reason_the_state_and_both_ways_on(
        self, rejections: Rejections, path: Path
    ) -> None:
        report = report_of(3_000, invalid_email=7, schema_violation=993)
        with pytest.raises(TooManyRejectedError) as caught:
            rejections.check(report, 42)
        assert str(caught.value) == (
            "1,000 of 4,000 records were rejected (25.0 %), more than `max_rejected_percent` (10 %) allows, most often"
            " as `schema_violation`. The others were sent. No state from line 42 on was written, so the next run brings"
            " all records since the last state again. Correct the field mapping or the tap and run again, or set a"
            f" higher `max_rejected_percent` for one run. See {path}."
        )

    def test_the_error_of_a_run_without_held_states_names_none(self, rejections: Rejections) -> None:
        with pytest.raises(TooManyRejectedError) as caught:
            rejections.check(report_of(12, invalid_email=12), None)
        assert "state" not in str(caught.value)

    def test_records_without_an_identifier_are_named_apart(self, rejections: Rejections) -> None:
        with pytest.raises(TooManyRejectedError) as caught:
            rejections.check(report_of(12, too_long=12, no_identifier=400), None)
        assert str(caught.value).startswith(
            "12 of 24 records were rejected (50.0 %), more than `max_rejected_percent` (10 %) allows, most often as"
            " `too_long`. 400 records without an identifier are not included. The others were sent."
        )

    @pytest.mark.parametrize(
        ("count", "words"), [(1, "1 of 1 record was rejected"), (2, "2 of 2 records were rejected")]
    )
    def test_a_run_that_accepted_nobody_says_so(self, rejections: Rejections, count: int, words: str) -> None:
        with pytest.raises(TooManyRejectedError) as caught:
            rejections.check(report_of(no_identifier=count), None)
        assert str(caught.value).startswith(
            f"{words} (100.0 %), more than `max_rejected_percent` (10 %) allows, most often as `no_identifier`. Nobody"
            " was accepted: check the field mapping first. Correct the field mapping or the tap and run again, or set"
            " `max_rejected_percent` to 100 for one run."
        )

    @pytest.mark.parametrize(
        ("reason", "cause"),
        [("stream_map_failed", "`stream_maps`"), ("schema_violation", "the tap"), ("not_a_date", "the field mapping")],
    )
    def test_what_is_likely_to_be_wrong_depends_on_the_reason(
        self, rejections: Rejections, reason: str, cause: str
    ) -> None:
        with pytest.raises(TooManyRejectedError, match=f"Nobody was accepted: check {cause} first"):
            rejections.check(report_of(**{reason: 3}), None)

    def test_the_error_without_a_file_says_how_to_get_one(self) -> None:
        with pytest.raises(TooManyRejectedError, match="Set `rejected_records_path` to keep them in a file"):
            Rejections(None, 10).check(report_of(invalid_email=1), None)
