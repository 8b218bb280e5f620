"""Temporary files: what is written is read back, nothing readable is on disk, and a changed file is noticed."""

from __future__ import annotations

import io
import tempfile

import pytest

from target_sendgrid.delivery import spool as spool_module
from target_sendgrid.delivery.job import Job, Request
from target_sendgrid.delivery.spool import Spool, Spooler
from tests.harness.jobs import job_of

CONTENT = b"ada@example.com" * 10_000


def test_parts_that_are_kept_are_read_back() -> None:
    spool = Spool()
    parts = [[CONTENT], [], [b"", b"short", CONTENT * 3]]
    kept = [spool.keep(one) for one in parts]
    assert [spool.take(one) for one in kept] == parts


def test_a_file_is_closed_when_it_is_read() -> None:
    spool = Spool()
    kept = spool.keep([CONTENT])
    spool.take(kept)
    assert kept.file.closed


def test_nothing_readable_is_on_the_disk() -> None:
    kept = Spool().keep([CONTENT])
    kept.file.seek(0)
    with kept.file as file:
        written = file.read()
    assert len(written) == len(CONTENT)
    assert b"example" not in written


def test_a_changed_file_is_noticed() -> None:
    spool = Spool()
    kept = spool.keep([CONTENT])
    kept.file.seek(100)
    kept.file.write(b"something else")
    with pytest.raises(OSError, match="changed"):
        spool.take(kept)


def jobs_of(*sizes: int) -> list[Job]:
    """Return jobs whose requests had these sizes."""
    jobs = [job_of(f"p{number}") for number in range(len(sizes))]
    for job, size in zip(jobs, sizes, strict=True):
        job.last_request = Request("job", ("L",), size, 1, 0.0, b"{}")
    return jobs


@pytest.mark.parametrize(
    ("sizes", "moved"),
    [((40, 60), 0), ((40, 61), 1), ((40, 100), 1), ((40, 101), 2), ((1, 1, 1, 100), 3), ((1, 1, 1, 1, 97), 1)],
)
def test_the_oldest_jobs_are_moved_until_the_others_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], moved: int
) -> None:
    monkeypatch.setattr(spool_module, "MAX_WAITING_BYTES", 100)
    jobs, spooler = jobs_of(*sizes), Spooler()
    assert spooler.spool(jobs) == jobs[:moved]
    assert [job.is_spooled for job in jobs] == [number < moved for number in range(len(jobs))]
    assert spooler.spool(jobs) == []
    assert [list(job.changes()) for job in jobs] == [[f"p{number}@example.com"] for number in range(len(jobs))]


def test_a_disk_that_takes_nothing_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool_module, "MAX_WAITING_BYTES", 0)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    jobs, spooler = jobs_of(10, 10), Spooler()
    for _ in range(3):
        assert spooler.spool(jobs) == []
    assert [list(job.contacts()) for job in jobs] == [list(job.contacts()) for job in jobs_of(10, 10)]
    assert len(caplog.records) == 1
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert spooler.spool(jobs) == []


def test_a_file_that_cannot_be_written_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.RawIOBase):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    file = Full()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: file)
    with pytest.raises(OSError, match="No space left"):
        Spool().keep([CONTENT])
    assert file.closed
