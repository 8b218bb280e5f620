"""The web page that shows an account to people."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request

from target_sendgrid.sandbox.account import contacts, erasures, fields, jobs, suppressions
from target_sendgrid.sandbox.account.clock import iso_seconds
from target_sendgrid.sandbox.http.access import CONTROL_PREFIX
from target_sendgrid.sandbox.http.answers import number
from target_sendgrid.sandbox.http.current import current_sandbox

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.account import Account

PAGE_SIZE = 50
LAST_START = 1_000_000_000
"""Most contacts that a link skips, far more than an account has."""

NEWEST = 20

routes = Blueprint("page", __name__)


@routes.get("/")
@routes.get(f"{CONTROL_PREFIX}/")
def page() -> str:
    """Show the account."""
    sandbox = current_sandbox()
    account = sandbox.account
    search, chosen_list = request.args.get("search", "").strip(), request.args.get("list", "")
    start = number(request.args.get("start", "0"), "start", 0, LAST_START)
    found, has_more = _matching(account, search, chosen_list, start)
    return render_template(
        "page.html",
        url=sandbox.url,
        now=iso_seconds(account.clock.now()),
        counts=contacts.counts(account),
        lists=_lists(account),
        names={row["id"]: row["name"] for row in account.store.rows("SELECT id, name FROM lists")},
        fields=fields.every(account),
        suppressed=len(suppressions.every(account)),
        groups=[(group, len(suppressions.every(account, group.id))) for group in suppressions.groups(account)],
        erased=len(erasures.every(account)),
        contacts=found,
        search=search,
        chosen_list=chosen_list,
        previous=_link(search, chosen_list, max(0, start - PAGE_SIZE)) if start > 0 else None,
        next=_link(search, chosen_list, start + PAGE_SIZE) if has_more else None,
        jobs=jobs.every(account, sandbox.store_url, NEWEST),
        requests=[(iso_seconds(entry.at), entry) for entry in islice(reversed(sandbox.all_requests()), NEWEST)],
        faults=sandbox.faults.described(),
        control=CONTROL_PREFIX,
    )


def _lists(account: Account) -> list[dict[str, Any]]:
    sql = "SELECT id, name, (SELECT count(*) FROM members WHERE list = lists.number) AS total FROM lists ORDER BY name"
    return [dict(row) for row in account.store.rows(sql)]


def _matching(account: Account, search: str, chosen_list: str, start: int) -> tuple[list[dict[str, Any]], bool]:
    conditions, values = ["1"], list[Any]()
    if search:
        pattern = f"%{search}%"
        conditions.append("(email LIKE ? OR external_id LIKE ? OR profile LIKE ? OR custom LIKE ?)")
        values += [pattern] * 4
    if chosen_list:
        conditions.append(
            "number IN (SELECT contact FROM members JOIN lists ON lists.number = members.list WHERE lists.id = ?)"
        )
        values.append(chosen_list)
    rows = account.store.rows(
        f"SELECT * FROM contacts WHERE {' AND '.join(conditions)} ORDER BY number LIMIT ? OFFSET ?",  # noqa: S608 - ours
        *values,
        PAGE_SIZE + 1,
        start,
    )
    return contacts.shown(account, rows[:PAGE_SIZE]), len(rows) > PAGE_SIZE


def _link(search: str, chosen_list: str, start: int) -> str:
    return "?" + urlencode({"search": search, "list": chosen_list, "start": start})
