"""A summary of a database: lists and their counts, fields, contacts, jobs, and who is suppressed or erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.account.clock import iso_seconds

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.store import Store

NEWEST_JOBS = 10

_GROUPS = (
    "SELECT name, id, (SELECT count(*) FROM suppressions WHERE group_id = suppression_groups.id) AS suppressed "
    "FROM suppression_groups ORDER BY id"
)


def of(store: Store) -> dict[str, Any]:
    """Return the summary of a database as plain values for JSON."""
    lists = store.rows(
        "SELECT name, id, (SELECT count(*) FROM members WHERE list = lists.number) AS contacts FROM lists ORDER BY name"
    )
    fields = store.rows("SELECT name, id, field_type FROM fields ORDER BY number")
    # The file of an earlier release lacks these tables, and is not changed by looking at it.
    has_consent = store.row("SELECT 1 FROM sqlite_master WHERE name = 'erasures'") is not None
    groups = store.rows(_GROUPS) if has_consent else []
    jobs = store.rows("SELECT * FROM jobs ORDER BY number DESC LIMIT ?", NEWEST_JOBS)
    return {
        "contacts": store.number("SELECT count(*) FROM contacts"),
        "lists": [dict(row) for row in lists],
        "fields": [dict(row) for row in fields],
        "suppressed": store.number("SELECT count(*) FROM suppressions WHERE group_id = 0") if has_consent else 0,
        "groups": [dict(row) for row in groups],
        "erased": store.number("SELECT count(*) FROM erasures") if has_consent else 0,
        "jobs": store.number("SELECT count(*) FROM jobs"),
        "jobs_waiting": store.number("SELECT count(*) FROM jobs WHERE applied = 0"),
        "newest_jobs": [
            {
                "id": job["id"],
                "kind": job["kind"],
                "submitted_at": iso_seconds(job["submitted_at"]),
                "is_applied": bool(job["applied"]),
                **{name: job[name] for name in ("requested", "created", "updated", "deleted", "errored")},
            }
            for job in jobs
        ],
    }


def as_text(found: dict[str, Any]) -> str:
    """Return a summary as text for people."""
    lines = [f"{found['contacts']} contacts"]
    lines += [f"  list {row['name']!r}: {row['contacts']} contacts ({row['id']})" for row in found["lists"]]
    lines += [f"  custom field {row['name']} ({row['id']}, {row['field_type']})" for row in found["fields"]]
    lines.append(f"suppressed from all mail: {found['suppressed']}, erased addresses: {found['erased']}")
    lines += [f"  group {row['name']!r}: {row['suppressed']} suppressions ({row['id']})" for row in found["groups"]]
    lines.append(f"{found['jobs']} jobs, {found['jobs_waiting']} of them not applied yet")
    for job in found["newest_jobs"]:
        counted = [
            f"{job[name]} {name}" for name in ("requested", "created", "updated", "deleted", "errored") if job[name]
        ]
        waiting = "" if job["is_applied"] else ", not applied yet"
        lines.append(f"  {job['submitted_at']} {job['kind']}: {', '.join(counted)}{waiting}")
    return "\n".join(lines)
