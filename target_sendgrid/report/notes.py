"""Notes at the end of a run: what the counts of a stream mean that users may not expect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.report.report import Bucket
from target_sendgrid.wording import counted, shown

if TYPE_CHECKING:
    from target_sendgrid.report.report import Report, StreamReport
    from target_sendgrid.settings.settings import Settings, StreamSettings

log = logging.getLogger("target-sendgrid.run")


def log_notes(report: Report, settings: Settings) -> None:
    """Log the notes about all streams of a run."""
    for name, counts in report.streams.items():
        _log_notes(shown(name), counts, settings.for_stream(name), has_snapshot=settings.snapshot_path is not None)


def _log_notes(name: str, counts: StreamReport, settings: StreamSettings, *, has_snapshot: bool) -> None:
    if counts.buckets[Bucket.DELETED_AT_SOURCE]:
        does = "people whose rows are deleted at the source count as absent"
        if settings.sync_mode != "mirror":
            does = "rows that are deleted at the source change nothing in SendGrid"
        log.info("Stream '%s': %s.", name, does)
    if without := counts.buckets[Bucket.DELETED_WITHOUT_IDENTIFIER]:
        message = (
            "Stream '%s': %s deleted at the source took nobody off a list, for lack of a mapped identifier. Map one"
            " that the tap sends with deleted rows, such as the key to `external_id`."
        )
        log.warning(message, name, counted(without, "row"))
    if erased := counts.buckets[Bucket.ERASED_BEFORE]:
        records = f"{counted(erased, 'record')} {'is' if erased == 1 else 'are'}"
        if has_snapshot:
            message = (
                "Stream '%s': %s of people who were erased in the last 90 days, or are to be, and were not sent. The"
                " source must drop these people. If they have asked to come back, set `allow_erased` for one run."
            )
        else:
            message = (
                "Stream '%s': %s of people who are to be erased, and were not sent. The source must drop these people,"
                " or the next run sends them."
            )
        log.warning(message, name, records)
    has_records = settings.is_enabled and counts.received
    if settings.subscription_property and has_records and not counts.unsubscribed_records:
        message = "Stream '%s': no record has one of the `unsubscribed_values` in property '%s'."
        log.warning(message, name, shown(settings.subscription_property))
