"""Which modules are mutated, which tests have to notice it, and which of their lines are left out, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MIN_PERCENT = 90.0
"""Lowest share of mutants, without equivalent ones, that the tests have to notice."""

MODULES: Mapping[str, tuple[str, ...]] = {
    "delivery/batching.py": (),
    "delivery/state.py": (),
    "delivery/delivery.py": ("unit/delivery/test_waiting.py",),
    "delivery/checkpoints.py": (),
    "delivery/unsubscribed.py": (),
    "delivery/suppressions.py": ("runs/test_unsubscribes.py",),
    "delivery/removals.py": ("runs/test_erasure.py",),
    "delivery/job_runner.py": ("unit/delivery/test_delivery.py",),
    "delivery/isolation.py": (),
    "delivery/probe_order.py": ("unit/delivery/test_job_runner.py",),
    "delivery/job_failures.py": (),
    "delivery/request_failures.py": (),
    "delivery/job_outcome.py": (),
    "delivery/job.py": ("unit/delivery/test_spool.py", "unit/delivery/test_request_failures.py"),
    "delivery/pending.py": ("unit/delivery/test_job.py",),
    "delivery/send_queue.py": (),
    "delivery/poll_schedule.py": (),
    "delivery/lookups.py": ("unit/delivery/operations/test_operations.py",),
    "delivery/spool.py": ("unit/delivery/test_job.py",),
    "delivery/operations/upsert.py": ("unit/delivery/operations/test_operations.py", "runs/faults/test_jobs.py"),
    "delivery/operations/by_ids.py": (
        "unit/delivery/operations/test_operations.py",
        "unit/delivery/operations/test_delete_contacts.py",
    ),
    "delivery/operations/remove_from_list.py": ("unit/delivery/operations/test_operations.py",),
    "delivery/operations/delete_contacts.py": (),
    "delivery/operations/row_errors.py": (),
    "delivery/operations/suppress.py": (),
    "delivery/operations/erase.py": (),
    "audience/account_guard.py": (),
    "audience/intents.py": (),
    "audience/subscription.py": (),
    "audience/suppression_guard.py": (),
    "audience/cap.py": (),
    "audience/identities.py": ("unit/delivery/test_batching.py",),
    "report/rejections.py": (),
    "report/rejected_records.py": ("unit/report/test_rejections.py",),
    "report/rejection_limit.py": ("unit/report/test_rejections.py",),
    "report/report.py": (),
    "sendgrid/answers.py": ("unit/sendgrid/test_client.py",),
    "sendgrid/transport.py": ("unit/sendgrid/test_client.py",),
    "sendgrid/sessions.py": ("unit/sendgrid/test_transport.py",),
    "sendgrid/shapes.py": ("unit/sendgrid/test_endpoints.py", "unit/sendgrid/test_client.py"),
    "sendgrid/exports.py": (),
    "sendgrid/export_files.py": ("unit/sendgrid/test_exports.py",),
    "sendgrid/client.py": ("unit/sendgrid/test_endpoints.py",),
    "sendgrid/consent.py": (),
    "sendgrid/retry.py": (),
    "sendgrid/contact.py": ("unit/mapping/test_conversions.py", "unit/delivery/test_lookups.py"),
    "sendgrid/lists.py": (),
    "mapping/field_mapping.py": ("unit/mapping/test_planner.py",),
    "mapping/conversions.py": (),
    "mapping/fast_path.py": (),
    "mapping/record_types.py": ("unit/mapping/test_fast_path.py",),
    "singer/map_sources.py": (),
    "singer/number_check.py": (),
    "singer/messages.py": ("runs/test_fast_and_slow_path.py", "runs/hostile/test_records.py"),
    "singer/routes.py": ("runs/test_fast_and_slow_path.py", "runs/hostile/test_batch_messages.py"),
}
"""Modules of the package, each with the test modules besides its own in `tests/unit`.

A module whose work shows only in whole runs over HTTP has some of these, too. They take longer, so they are few.
"""

TEXT_NAMES = frozenset(
    {
        "message",
        "sentence",
        "what",
        "why",
        "next_step",
        "advice",
        "was_for",
        "errors",
        "others",
        "where",
        "overdue",
        "told",
        "are",
        "were",
        "higher",
    }
)
"""Variables that hold sentences for users. Wording is not promised, so the statements that set them are left out."""

TEXT_FUNCTIONS = ("_message", "_sentence", "_kind")
"""Ends of the names of functions that return sentences for users."""

SAME_TRUTH = frozenset({("False", "None"), ("None", '""')})
"""Values that mean the same in a condition. The type checker refuses the second one, so no test needs to notice it."""
