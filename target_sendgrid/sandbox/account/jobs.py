"""Import jobs: queued at once, and applied when they are due, in the order in which they were submitted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from target_sendgrid.sandbox.account import contacts, errors_files, lists, merge
from target_sendgrid.sandbox.account.account import new_id
from target_sendgrid.sandbox.account.clock import iso_seconds
from target_sendgrid.sandbox.account.problems import unknown
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS

if TYPE_CHECKING:
    import sqlite3

    from target_sendgrid.sandbox.account.account import Account

Kind = Literal["upsert", "delete", "remove_from_list", "delete_identifier"]

JOB_TYPES: dict[str, str] = {
    "upsert": "upsert_contacts",
    "delete": "delete",
    "remove_from_list": "delete",
    "delete_identifier": "delete",
}
"""Value of `job_type` by kind: `upsert_contacts` was recorded in 2026, `delete` is what the vendor's file says."""


@dataclass(frozen=True)
class Trouble:
    """What a fault does to one job.

    Attributes:
        ends: Status that it ends with, whatever became of its contacts; empty: the status that follows from them.
        stuck: Whether it stays `pending` forever.
        lost: Whether its id is answered with 404.
        applied: Whether its contacts are stored.
        late_seconds: How much later than usual it is applied.
        counts: Counts by the names that SendGrid shows, over the real ones; `None` for an absent one.
        first: Number of leading rows that turn into row errors.
        identifiers: Emails or other identifiers whose rows turn into row errors.
        reason: Text of those row errors.
        errors_file: What the errors file holds, see `errors_files.MODES`.
    """

    ends: Literal["", "completed", "errored", "failed"] = ""
    stuck: bool = False
    lost: bool = False
    applied: bool = True
    late_seconds: float = 0.0
    counts: dict[str, int | None] = field(default_factory=dict)
    first: int = 0
    identifiers: tuple[str, ...] = ()
    reason: str = "internal error"
    errors_file: errors_files.Mode = ""


NO_TROUBLE = Trouble()

_ROUNDING_SECONDS = 0.001
_ONLY_IDENTIFIER = "a contact must keep at least one identifier"


def submit(account: Account, kind: Kind, payload: bytes, requested: int, trouble: Trouble = NO_TROUBLE) -> str:
    """Queue a job; return its id. For an upsert the payload is the request's body, kept until it is applied."""
    identity = new_id()
    now = account.clock.now()
    account.store.run(
        "INSERT INTO jobs (id, kind, requested, submitted_at, counts_at, final_at, payload, trouble) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        identity,
        kind,
        requested,
        now,
        now + account.options.job_counts_after_seconds + trouble.late_seconds,
        now + account.options.job_final_after_seconds + trouble.late_seconds,
        payload,
        msgspec.json.encode(asdict(trouble)).decode(),
    )
    return identity


def apply_due(account: Account) -> None:
    """Apply every job that is due: in the order of submission, except that a late job comes later."""
    now = account.clock.now()
    due = account.store.rows("SELECT * FROM jobs WHERE applied = 0 AND final_at <= ? ORDER BY final_at, number", now)
    for job in due:
        outcome = _run(account, job)
        _keep_counts(account, job, outcome)
        _keep_errors_file(account, job, outcome)
        lists.keep_counts(account, float(job["final_at"]))
        account.store.run("UPDATE jobs SET applied = 1, payload = NULL WHERE number = ?", job["number"])


def settle(account: Account) -> float:
    """Move the clock to the end of every job and export that can end; return by how many seconds it moved."""
    latest = account.store.row(
        "SELECT max(moment) AS moment FROM (SELECT final_at AS moment FROM jobs WHERE applied = 0 "
        "UNION ALL SELECT ready_at FROM exports WHERE ready_at > ?)",
        account.clock.now(),
    )
    moment = None if latest is None else latest["moment"]
    seconds = 0.0 if moment is None else max(0.0, float(moment) - account.clock.now())
    if seconds:
        account.clock.advance(seconds + _ROUNDING_SECONDS)
    apply_due(account)
    return seconds


def described(account: Account, identity: str, store_url: str) -> dict[str, Any]:
    """Show a job the way `GET /v3/marketing/contacts/imports/{id}` does.

    Raises:
        UnknownThingError: There is no such job.
    """
    job = _job(account, identity)
    if job is None or _trouble(job).lost:
        raise unknown()
    now = account.clock.now()
    if not job["applied"] and now >= job["counts_at"] and job["created"] is None:
        _preview_counts(account, job)
        job = _job(account, identity) or job
    return _described(account, job, store_url)


def every(account: Account, store_url: str, limit: int = 1_000) -> list[dict[str, Any]]:
    """Show the newest jobs, lost and stuck ones included, newest first."""
    found = account.store.rows("SELECT * FROM jobs ORDER BY number DESC LIMIT ?", limit)
    return [_described(account, job, store_url) for job in found]


def _described(account: Account, job: sqlite3.Row, store_url: str) -> dict[str, Any]:
    results: dict[str, Any] = {"requested_count": job["requested"]}
    shown = {
        "id": job["id"],
        "status": _status(job),
        "job_type": JOB_TYPES[job["kind"]],
        "results": results,
        "started_at": iso_seconds(job["submitted_at"]),
    }
    if account.clock.now() >= job["counts_at"]:
        names = ("created", "updated", "deleted", "errored")
        results |= {f"{name}_count": job[name] for name in names if job[name]}
    if shown["status"] != "pending":
        shown["finished_at"] = iso_seconds(job["final_at"])
        if job["errors_signature"] is not None:
            results["errors_url"] = errors_files.url(job, store_url)
        if job["failure"] == merge.QUOTA_FAILURE:
            shown["errors"] = [{"field": None, "message": job["failure"]}]
        for name, count in _trouble(job).counts.items():
            if count is None:
                results.pop(name, None)
            else:
                results[name] = count
    return shown


def _status(job: sqlite3.Row) -> str:
    trouble = _trouble(job)
    if trouble.stuck or not job["applied"]:
        return "pending"
    if trouble.ends:
        return trouble.ends
    if job["failure"] or (job["errored"] and job["errored"] >= job["requested"]):
        return "failed"
    return "errored" if job["errored"] else "completed"


def _preview_counts(account: Account, last: sqlite3.Row) -> None:
    """Work out the counts of waiting jobs up to this one, without applying them."""
    waiting = account.store.rows(
        "SELECT * FROM jobs WHERE applied = 0 AND (final_at, number) <= (?, ?) ORDER BY final_at, number",
        last["final_at"],
        last["number"],
    )
    if sum(job["requested"] for job in waiting) > account.options.counts_preview_max_contacts:
        return
    outcomes: list[merge.Outcome] = []
    with account.store.undone():
        outcomes.extend(_run(account, job) for job in waiting)
    now = account.clock.now()
    for job, outcome in zip(waiting, outcomes, strict=True):
        if now >= job["counts_at"]:
            _keep_counts(account, job, outcome)


def _keep_counts(account: Account, job: sqlite3.Row, outcome: merge.Outcome) -> None:
    account.store.run(
        "UPDATE jobs SET created = ?, updated = ?, deleted = ?, errored = ?, failure = ? WHERE number = ?",
        outcome.created,
        outcome.updated,
        outcome.deleted,
        len(outcome.errors),
        outcome.failure,
        job["number"],
    )


def _keep_errors_file(account: Account, job: sqlite3.Row, outcome: merge.Outcome) -> None:
    mode = _trouble(job).errors_file
    rows = outcome.errors
    if mode == "everybody" and job["kind"] == "upsert":
        rows = merge.forced_errors(msgspec.json.decode(job["payload"]), None)
    errors_files.keep(account, job, rows, mode)


def _run(account: Account, job: sqlite3.Row) -> merge.Outcome:
    trouble = _trouble(job)
    document = msgspec.json.decode(job["payload"])
    forced = merge.ForcedErrors(trouble.first, frozenset(trouble.identifiers), trouble.reason)
    if not trouble.applied:
        return merge.Outcome(errors=merge.forced_errors(document, forced) if job["kind"] == "upsert" else [])
    if job["kind"] == "upsert":
        return merge.apply_upsert(account, document, float(job["submitted_at"]), float(job["final_at"]), forced)
    if job["kind"] in {"delete", "remove_from_list"}:
        errors = _failing(account, document["ids"] or [], forced)
        failing = {error[0] for error in errors}
        chosen = [identity for index, identity in enumerate(document["ids"] or []) if index not in failing]
        if job["kind"] == "remove_from_list":
            return merge.Outcome(deleted=contacts.remove_from_list(account, document["list"], chosen), errors=errors)
        deleted = contacts.delete(account, None if document["ids"] is None else chosen)
        return merge.Outcome(deleted=deleted, errors=errors)
    changed = contacts.delete_identifier(account, document["id"], document["identifier"])
    return merge.Outcome(updated=changed, failure=None if changed else _ONLY_IDENTIFIER)


def _failing(account: Account, ids: list[str], forced: merge.ForcedErrors) -> list[list[Any]]:
    """Return a row error for each contact of a removal or deletion that a fault turns down."""
    if not (forced.first or forced.identifiers):
        return []
    found = {contact["id"]: contact for contact in contacts.by_ids(account, ids)}
    given = ((index, [found.get(identity, {}).get(name) for name in IDENTIFIERS]) for index, identity in enumerate(ids))
    return [[index, *identifiers, forced.reason] for index, identifiers in given if forced.names(index, identifiers)]


def _job(account: Account, identity: str) -> sqlite3.Row | None:
    return account.store.row("SELECT * FROM jobs WHERE id = ?", identity)


def _trouble(job: sqlite3.Row) -> Trouble:
    return msgspec.json.decode(job["trouble"], type=Trouble)


def errors_file_mode(account: Account, identity: str) -> errors_files.Mode:
    """Return how a fault breaks the errors file of a job: a key of `errors_files.MODES`, or an empty text."""
    job = _job(account, identity)
    return "" if job is None else _trouble(job).errors_file
