"""Probes and newer values: a job waits while a probe may bring back older values of one of its people.

`isolation` makes probes of contacts that the run has settled before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Batch, OperationKind
    from target_sendgrid.delivery.poll_schedule import PollSchedule
    from target_sendgrid.delivery.send_queue import SendQueue


class ProbeOrder:
    """Holds jobs back until the probes that concern their people have ended.

    Args:
        queue: Where jobs wait to be sent.
        poll_schedule: The jobs under way.
    """

    def __init__(self, queue: SendQueue, poll_schedule: PollSchedule) -> None:
        self._queue = queue
        self._poll_schedule = poll_schedule
        self._behind_probe: list[Job] = []
        """Jobs with a newer value of a person whose old one was sent as a probe, until the probe's job has ended."""
        self._lost_probes: list[tuple[str, OperationKind, float]] = []
        """People whose old value an untracked job may bring back, because it was sent as a probe, and until when."""

    def put(self, job: Job, batch: Batch) -> None:
        """Put the job of a new batch into the queue, now or after the probes that concern its people."""
        is_behind_probe = any(
            batch.may_concern(identity, probe.purpose.kind) for probe in self._probes() for identity in probe.changes()
        )
        lost = (free_at for identity, kind, free_at in self._lost_probes if batch.may_concern(identity, kind))
        job.not_before = max(lost, default=0.0)
        (self._behind_probe if is_behind_probe else self._queue).append(job)

    def release(self) -> None:
        """Put the jobs that were held back into the queue, if no probe is left."""
        if self._behind_probe and not self._probes():
            self._queue.extend(self._behind_probe)
            self._behind_probe.clear()

    def note_lost(self, job: Job) -> None:
        """Let newer values wait if a job is a probe and SendGrid may have begun an untracked job of it."""
        taken_at = job.progress.maybe_taken_at
        if job.progress.is_probe and taken_at is not None:
            free_at = taken_at + self._poll_schedule.untracked_job_seconds()
            self._lost_probes += [(identity, job.purpose.kind, free_at) for identity in job.changes()]
            for waiting in self._behind_probe:
                waiting.not_before = max(waiting.not_before, free_at)

    def clear(self) -> None:
        """Forget the jobs that were held back, because nothing more is sent."""
        self._behind_probe.clear()

    def _probes(self) -> list[Job]:
        return [job for job in (*self._queue, *self._poll_schedule) if job.progress.is_probe]
