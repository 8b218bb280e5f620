from __future__ import annotations

import json
import os
import stat
import tempfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.report.report import Bucket, Report, StreamReport, check_report_path

if TYPE_CHECKING:
    from pathlib import Path

COUNT = st.integers(0, 10_000)
STREAMS = st.builds(
    StreamReport,
    received=COUNT,
    buckets=st.dictionaries(st.sampled_from(Bucket), COUNT).map(Counter),
    rejected=st.dictionaries(st.sampled_from(list(Reason)), COUNT).map(Counter),
)
OUTCOMES = st.sampled_from([*Bucket, *Reason])


def report_of(**streams: StreamReport) -> Report:
    return Report(streams=streams)


class TestCounts:
    @given(STREAMS)
    def test_received_is_the_sum_of_all_outcomes_and_the_unsettled(self, stream: StreamReport) -> None:
        outcomes = sum(stream.buckets.values()) + sum(stream.rejected.values())
        assert stream.received == outcomes + stream.unsettled

    @given(st.lists(st.tuples(st.sampled_from(["people", "guests"]), OUTCOMES)))
    def test_records_with_one_outcome_each_leave_nothing_unsettled(
        self, records: list[tuple[str, Bucket | Reason]]
    ) -> None:
        report = Report()
        for name, outcome in records:
            stream = report.stream(name)
            stream.received += 1
            if isinstance(outcome, Bucket):
                stream.buckets[outcome] += 1
            else:
                stream.rejected[outcome] += 1
        assert (report.received, report.settled) == (len(records), len(records))

    @given(st.dictionaries(st.text(max_size=5), STREAMS, max_size=4))
    def test_totals_are_the_sums_over_the_streams(self, streams: dict[str, StreamReport]) -> None:
        report = Report(streams=streams)
        assert report.received == sum(stream.received for stream in streams.values())
        assert report.not_ignored_count == report.received - sum(
            stream.buckets[Bucket.IGNORED] + stream.buckets[Bucket.DELETED_WITHOUT_IDENTIFIER]
            for stream in streams.values()
        )
        counts, rejected = report.limit_counts(), sum(stream.rejected_count for stream in streams.values())
        assert counts.records == report.not_ignored_count
        assert counts.without_identifier == sum(stream.rejected[Reason.NO_IDENTIFIER] for stream in streams.values())
        assert counts.rejected + counts.without_identifier == report.rejected_by_reason().total() == rejected
        assert report.settled == report.received - sum(stream.unsettled for stream in streams.values())

    def test_a_stream_is_counted_in_one_place(self) -> None:
        report = Report()
        assert report.stream("people") is report.stream("people")


class TestSummary:
    def test_a_stream_is_summed_up_with_all_its_counts(self) -> None:
        people = StreamReport(
            received=12_345,
            buckets=Counter(
                {Bucket.UPSERTED: 12_300, Bucket.DUPLICATE: 20, Bucket.OVER_CAP: 10, Bucket.IGNORED: 5}
            ),
            rejected=Counter({Reason.TOO_LONG: 2, Reason.INVALID_EMAIL: 7}), list_name="News",
        )  # fmt: skip
        assert next(report_of(people=people).summary()).text == (
            "Stream 'people' -> list 'News': 12,345 received, 12,300 upserted, 20 duplicates, 9 rejected"
            " (invalid_email 7, too_long 2), 10 over the cap, 5 ignored by rule, 1 NOT CONFIRMED."
        )

    def test_a_single_duplicate_is_named_as_one(self) -> None:
        people = StreamReport(received=2, buckets=Counter({Bucket.UPSERTED: 1, Bucket.DUPLICATE: 1}))
        assert people.summary() == "2 received, 1 upserted, 1 duplicate"

    def test_counts_of_nothing_are_left_out(self) -> None:
        summary = report_of(people=StreamReport(received=1, buckets=Counter([Bucket.UPSERTED]))).summary()
        assert next(summary).text == "Stream 'people': 1 received, 1 upserted."

    @pytest.mark.parametrize(("error", "outcome"), [(None, "done"), ("It broke.", "failed"), ("", "failed")])
    def test_the_last_line_says_how_the_run_ended(self, error: str | None, outcome: str) -> None:
        report = Report(distinct_profiles=1_000, job_count=2, request_count=9, seconds=61.26, error=error)
        expected = f"Run {outcome} in 61.3 s: 1,000 distinct profiles, 2 import jobs, 9 requests."
        assert [line.text for line in report.summary()] == [expected]

    def test_the_last_line_of_a_sandbox_run_says_that_nothing_was_sent_to_sendgrid(self) -> None:
        (line,) = Report(host="sandbox", is_sandbox=True).summary()
        assert line.text.endswith("Nothing was sent to SendGrid: with this `api_url` everything stays on this machine.")
        (line,) = Report(host="127.0.0.1:8025", is_local=True).summary()
        assert line.text.endswith(" 0 requests. This went to 127.0.0.1:8025, on this machine.")
        (line,) = Report(host="api.sendgrid.com").summary()
        assert line.text.endswith(" 0 requests.")

    def test_every_run_has_an_id_of_its_own(self) -> None:
        assert Report().run_id != Report().run_id

    def test_a_state_that_the_limit_of_rejections_holds_back_has_a_line(self) -> None:
        line, _ = Report(state_held_from_line=12).summary()
        assert line.text.startswith(
            "No state from line 12 on was written: more of the records before it were rejected than"
        )


class TestJson:
    def test_the_report_holds_everything_that_is_counted(self) -> None:
        people = StreamReport(
            received=9,
            buckets=Counter({Bucket.UPSERTED: 3, Bucket.DUPLICATE: 2, Bucket.OVER_CAP: 1, Bucket.IGNORED: 1}),
            rejected=Counter({Reason.TOO_LONG: 1}),
            list_name="News", list_id="L",
        )  # fmt: skip
        report = Report(
            streams={"people": people}, distinct_profiles=3, job_count=1, request_count=7, seconds=1.23456,
            created_fields=["plan"], state_held_from_line=12, run_id="3f2a", host="api.sendgrid.com",
        )  # fmt: skip
        assert report.to_dict() == {
            "outcome": "succeeded", "error": None, "error_codes": [],
            "run_id": "3f2a", "host": "api.sendgrid.com", "sandbox": False,
            "state_held_from_line": 12, "seconds": 1.235,
            "distinct_profiles": 3, "import_jobs": 1,
            "requests": 7, "created_custom_fields": ["plan"], "removed_members": {},
            "streams": {
                "people": {
                    "list_id": "L", "list_name": "News", "received": 9, "upserted": 3, "duplicates": 2,
                    "rejected": {"too_long": 1}, "over_cap": 1, "ignored": 1, "unsettled": 1,
                },
            },
        }  # fmt: skip

    def test_the_counts_of_a_stream_keep_their_order(self) -> None:
        assert list(StreamReport().to_dict()) == [
            "list_id", "list_name", "received", "upserted", "duplicates", "rejected", "over_cap", "ignored",
            "unsettled",
        ]  # fmt: skip

    @pytest.mark.parametrize("error", ["It broke.", ""])
    def test_an_error_makes_the_run_a_failed_one_even_without_a_message(self, error: str) -> None:
        assert Report(error=error).to_dict()["outcome"] == "failed"


class TestFile:
    def test_the_file_holds_the_report_as_json(self, tmp_path: Path) -> None:
        report = report_of(people=StreamReport(received=1, list_name="Nächste"))
        report.write(str(tmp_path / "report.json"))
        content = (tmp_path / "report.json").read_text()
        assert json.loads(content) == report.to_dict()
        assert content.startswith('{\n  "outcome": "succeeded",\n')

    def test_the_file_is_written_beside_its_place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another folder may be on another disk, from which nothing can be moved."""
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
        Report().write(str(tmp_path / "report.json"))
        assert (tmp_path / "report.json").exists()

    def test_an_older_report_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "report.json"
        path.write_text("x" * 10_000)
        report = Report()
        report.write(str(path))
        assert json.loads(path.read_text()) == report.to_dict()

    def test_nothing_else_is_left_behind(self, tmp_path: Path) -> None:
        Report().write(str(tmp_path / "report.json"))
        assert [path.name for path in tmp_path.iterdir()] == ["report.json"]

    def test_nothing_is_left_behind_where_the_report_can_not_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "report.json").mkdir()
        with pytest.raises(LocalFileError):
            Report().write(str(tmp_path / "report.json"))
        assert [path.name for path in tmp_path.iterdir()] == ["report.json"]

    def test_a_home_is_expanded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        Report().write("~/report.json")
        assert (tmp_path / "report.json").exists()

    @pytest.mark.parametrize("thing", ["link", "pipe"])
    def test_a_link_or_a_pipe_of_that_name_stays_as_it_is(self, tmp_path: Path, thing: str) -> None:
        path, other = tmp_path / "report.json", tmp_path / "other"
        other.write_text("kept")
        if thing == "link":
            path.symlink_to(other)
        else:
            os.mkfifo(path)
        before = path.lstat()
        with pytest.raises(LocalFileError, match="it is a link or a device"):
            Report().write(str(path))
        assert path.lstat().st_ino == before.st_ino
        assert other.read_text() == "kept"

    def test_others_can_not_write_the_file(self, tmp_path: Path) -> None:
        Report().write(str(tmp_path / "report.json"))
        assert not stat.S_IMODE((tmp_path / "report.json").stat().st_mode) & 0o022

    @pytest.mark.parametrize(
        "path", ["/nowhere/at/all/report.json", "~nobody-of-this-name/r.json", "nul\0byte/r.json", "", "/"]
    )
    def test_a_path_that_can_not_be_written_is_reported(self, path: str) -> None:
        with pytest.raises(LocalFileError, match="`report_path`: the report can't be written to "):
            Report().write(path)


class TestCheck:
    def test_a_new_file_and_an_old_report_are_usable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "old.json").write_text("{}")
        for path in (tmp_path / "new.json", tmp_path / "old.json", "~/new.json"):
            check_report_path(str(path))
        assert [path.name for path in tmp_path.iterdir()] == ["old.json"]

    @pytest.mark.parametrize("thing", ["link", "pipe", "folder"])
    def test_something_else_of_that_name_is_not(self, tmp_path: Path, thing: str) -> None:
        path = tmp_path / "report.json"
        if thing == "link":
            path.symlink_to(tmp_path / "nothing")
        elif thing == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
        with pytest.raises(LocalFileError, match="`report_path`: no report can be written to "):
            check_report_path(str(path))

    @pytest.mark.parametrize("path", ["/nowhere/at/all/report.json", "~nobody-of-this-name/r.json", "nul\0byte/r.json"])
    def test_a_path_without_a_folder_is_not(self, path: str) -> None:
        with pytest.raises(LocalFileError, match="`report_path`: no report can be written to "):
            check_report_path(path)

    def test_a_folder_that_may_not_be_written_to_is_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Path, int]] = []

        def refuse(path: Path, mode: int) -> bool:
            asked.append((path, mode))
            return False

        monkeypatch.setattr(os, "access", refuse)
        with pytest.raises(LocalFileError):
            check_report_path(str(tmp_path / "report.json"))
        assert asked == [(tmp_path, os.W_OK | os.X_OK)]
