"""Jobs for tests of the modules that decide about them, without a batcher."""

from __future__ import annotations

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.delivery.job import Job
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Batch, Change, Purpose, pack, stream_counts
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import encode

PURPOSE = Purpose(upsert_kind(30_000, 3_500_000), ("L",))


def job_of(*names: str, purpose: Purpose = PURPOSE) -> Job:
    """Return a job of new contacts, one for each name, such as ``ada`` for ``ada@example.com``."""
    emails = [f"{name}@example.com" for name in names]
    changes = {
        email: Change(purpose, email, encode({"email": email}), Origin("people", line))
        for line, email in enumerate(emails, 1)
    }
    counts = stream_counts(changes.values())
    return Job.of(Batch(purpose, pack(changes), 1, 1_000, counts, IdentitySet(changes)))


def names_of(job: Job) -> list[str]:
    """Return the names of a job's contacts, as `job_of` was given them."""
    return [identity.removesuffix("@example.com") for identity in job.changes()]
