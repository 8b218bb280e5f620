"""Jobs: packed, unpacked or on disk, their contacts are the same and in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.job import Job, Level, Rejection, Request
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose, pack, unpack
from target_sendgrid.delivery.spool import Spool
from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import decode, encode, identity
from tests.harness.jobs import PURPOSE as PURPOSE_OF_JOBS
from tests.harness.jobs import job_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.delivery.pending import Batch
    from target_sendgrid.delivery.spool import SpooledFile

COUNT = 1_234
"""More contacts than go into one piece of a request or of a file."""

PURPOSE = Purpose(upsert_kind(30_000, 3_500_000), ("L",))


def change(contact: bytes, origin: Origin) -> Change:
    return Change(PURPOSE, identity(decode(contact)) or "", contact, origin)


def batch() -> Batch:
    """Return a batch of many people. One has three records, one of them from a batch file; one has its message."""
    batcher = Batcher(lambda: 0.0)
    for number in range(COUNT):
        batcher.add(change(encode({"email": f"é{number}\n@example.com"}), Origin("people", number)), is_new=True)
    seventh = "é7\n@example.com"
    batcher.add(change(encode({"email": seventh, "city": "York"}), Origin("guests", 9_001)))
    batcher.add(change(encode({"email": seventh}), Origin("people", 9_002, 3)))
    batcher.add(change(encode({"external_id": "7"}), Origin("people", 9_003, 0, b'{"\xc3\xa9": "\\n"}')))
    return batcher.seal(PURPOSE)


def content_of(job: Job) -> list[tuple[str, bytes, list[Origin]]]:
    return [(identity, change.contact, change.origins) for identity, change in job.changes().items()]


def test_contacts_are_the_same_packed_and_unpacked_and_read_from_disk() -> None:
    plain, spooled, spool = Job.of(batch()), Job.of(batch()), Spool()
    expected = content_of(plain)
    assert len(expected) == plain.count == COUNT + 1
    assert [origins for *_, origins in expected if len(origins) > 1] == [
        [Origin("people", 7), Origin("guests", 9_001), Origin("people", 9_002, 3)]
    ]
    assert expected[-1] == (
        "external_id 7", b'{"external_id":"7"}', [Origin("people", 9_003, 0, b'{"\xc3\xa9": "\\n"}')]
    )  # fmt: skip
    for _ in range(2):  # once as it was packed, once after it was unpacked
        spooled.pack()
        spooled.spool(spool)
        was_spooled = spooled.is_spooled
        assert list(spooled.contacts()) == list(plain.contacts())
        assert (was_spooled, spooled.is_spooled) == (True, False)
        assert content_of(spooled) == expected


def test_changed_and_rejected_contacts_are_packed_as_they_are() -> None:
    job = Job.of(batch())
    first, second, *_ = list(job.changes())
    job.changes()[first].contact = encode({"email": first, "external_id": "1"})
    job.reject(second, Rejection(Reason.REFUSED_BY_SENDGRID, ""))
    part = job.part(list(job.changes())[-2:])
    for one in (job, part):
        one.pack()
        one.spool(Spool())
    assert next(iter(job.contacts())) == encode({"email": first, "external_id": "1"})
    assert (len(job.contacts()), job.count) == (COUNT - 2, COUNT - 2)
    assert list(part.changes()) == ["é7\n@example.com", "external_id 7"]
    assert [rejected.change.origin.line for rejected in job.progress.rejected] == [1]


def test_a_contact_whose_identifiers_were_completed_keeps_its_identity() -> None:
    """A contact to which SendGrid's email was added keeps the identity of its record."""
    completed = encode({"external_id": "7", "email": "a@x.com"})
    changes = {
        "external_id 7": Change(PURPOSE, "external_id 7", completed, Origin("people", 1)),
        "a@x.com": Change(PURPOSE, "a@x.com", encode({"email": "a@x.com"}), Origin("people", 2)),
    }
    assert list(unpack(pack(changes), PURPOSE)) == list(changes)


def test_a_batch_becomes_a_job_only_once() -> None:
    taken = batch()
    Job.of(taken)
    with pytest.raises(LookupError):
        Job.of(taken)


def test_a_file_that_was_changed_ends_the_run_with_advice() -> None:
    job, spool = Job.of(batch()), Spool()
    job.spool(spool)
    spool._make_cipher = Spool()._make_cipher  # noqa: SLF001 - another key has the same effect as a changed file
    with pytest.raises(LocalFileError, match="TMPDIR"):
        job.contacts()


def test_a_new_job_has_failed_nowhere_and_may_be_sent_at_once() -> None:
    job = job_of("a", "b")
    assert (job.not_before, job.send_count, job.lost_jobs, job.used_waits) == (0.0, 0, 0, 0)
    assert (job.last_request, job.unknown_since) == (Request(), None)
    assert (job.failed_at, job.is_overdue, job.must_look_up, job.is_trial) == ({}, False, False, False)
    assert [change.purpose for change in job.changes().values()] == [PURPOSE_OF_JOBS] * 2


def test_a_batch_knows_how_many_of_its_contacts_are_open() -> None:
    job = job_of("a", "b", "c", "d")
    part = job.part(["a@example.com", "b@example.com"])
    job.settle(["c@example.com", "d@example.com"])
    assert (job.count, part.count, job.progress.open_count) == (0, 2, 2)
    part.reject("a@example.com", Rejection(Reason.NOT_STORED, ""))
    assert (part.count, part.progress.open_count) == (1, 1)
    part.settle_all()
    assert part.progress.open_count == 0


@pytest.mark.parametrize("keeps", [False, True])
def test_only_changes_that_were_carried_out_are_kept_and_only_where_their_kind_says_so(*, keeps: bool) -> None:
    kind = msgspec.structs.replace(PURPOSE_OF_JOBS.kind, keeps_settled=keeps)
    job = job_of("a", "b", "c", "d", "e", "f", purpose=Purpose(kind, ("L",)))
    identities = list(job.changes())
    changes = job.changes().copy()
    job.reject(identities[0], Rejection(Reason.NOT_STORED, ""))
    job.leave_out([identities[1]])
    job.withhold([identities[2]])
    job.settle([identities[3]])
    job.spool(Spool())
    job.settle_all()
    result = job.progress.result(None, None)
    kept = [changes[identity].contact for identity in identities[3:]]
    assert [change.contact for change in result.settled] == (kept if keeps else [])
    assert (job.count, job.progress.open_count, job.changes()) == (0, 0, {})
    assert (len(result.rejected), len(result.not_found), len(result.withheld)) == (1, 1, 1)


@pytest.mark.parametrize(("count", "failed_at"), [(1, {}), (2, {Level.JOB: 7.0}), (3, {Level.JOB: 7.0})])
def test_a_part_has_failed_like_the_whole_unless_it_is_a_single_contact(
    count: int, failed_at: dict[Level, float]
) -> None:
    job = job_of("a", "b", "c", "d")
    job.failed_at[Level.JOB] = 7.0
    part = job.part([f"{name}@example.com" for name in "abcd"[:count]])
    assert (part.failed_at, part.count, job.count) == (failed_at, count, 4 - count)


def test_a_job_that_is_settled_as_a_whole_holds_nothing_more() -> None:
    kept: list[SpooledFile] = []

    class Watched(Spool):
        def keep(self, parts: Iterable[bytes]) -> SpooledFile:
            kept.append(super().keep(parts))
            return kept[-1]

    job = job_of("a", "b")
    job.spool(Watched())
    job.settle_all()
    assert [spooled.file.closed for spooled in kept] == [True]
    assert (job.count, job.progress.open_count, job.changes(), list(job.contacts())) == (0, 0, {}, [])


def test_blanks_of_values_stay_when_contacts_are_read_from_disk() -> None:
    contact = encode({"email": "a@x.com", "first_name": " Ada \t Byron  "})
    batcher = Batcher(lambda: 0.0)
    batcher.add(change(contact, Origin("people", 1)))
    job = Job.of(batcher.seal(PURPOSE))
    job.spool(Spool())
    assert list(job.contacts()) == [contact]
