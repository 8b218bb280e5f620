"""Finding contacts: by email, by another identifier, and by the small part of SGQL that the sandbox understands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.account import contacts, lists
from target_sendgrid.sandbox.account.contacts import as_json
from target_sendgrid.sandbox.account.problems import UnknownThingError, refused, unknown
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS, is_valid_email, is_valid_phone, normalised

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.account import Account

MAX_IDENTIFIERS = 100
MAX_RESULTS = 50

_STRING = r"'(?:[^'\\]|\\.)*'"
_QUERIES = {
    "email = '…'": re.compile(rf"\s*(?:email|lower\(email\))\s*=\s*({_STRING})\s*", re.IGNORECASE),
    "email IN ('…', …)": re.compile(rf"\s*email\s+IN\s*\(\s*({_STRING}(?:\s*,\s*{_STRING})*)\s*\)\s*", re.IGNORECASE),
    "CONTAINS(list_ids, '…')": re.compile(rf"\s*CONTAINS\s*\(\s*list_ids\s*,\s*({_STRING})\s*\)\s*", re.IGNORECASE),
}


def by_identifier(account: Account, identifier: str, wanted: object, field: str) -> dict[str, dict[str, Any]]:
    """Look up to 100 identifiers up; emails also among the alternate ones.

    Returns:
        For each identifier asked for, an object that holds the contact as `contact`, or an `error`.

    Raises:
        RefusedError: Not a list of texts, too many of them, or one is invalid.
        UnknownThingError: None was found, or there is no such kind of identifier.
    """
    if identifier not in IDENTIFIERS:
        raise unknown()
    asked = _asked(identifier, wanted, field)
    columns = f"SELECT * FROM contacts WHERE {identifier} IN (SELECT value FROM json_each(?))"  # noqa: S608 - ours
    found = {contact[identifier]: contact for contact in _shown(account, columns, asked)}
    if identifier == "email":
        found = _by_alternate_email(account, [email for email in asked if email not in found]) | found
    if not found:
        raise unknown("contacts not found" if len(asked) != 1 else "contact not found")
    return {one: {"contact": found[one]} if one in found else {"error": "contact not found"} for one in asked}


def by_query(account: Account, query: object) -> tuple[list[dict[str, Any]], int]:
    """Run a query; return at most 50 contacts and the number of all that match.

    Raises:
        RefusedError: The query has no form that the sandbox understands.
    """
    if not isinstance(query, str) or not query.strip():
        raise refused("query", "query must be text")
    for form, pattern in _QUERIES.items():
        match = pattern.fullmatch(query)
        if match is None:
            continue
        values = [_unquoted(text) for text in re.findall(_STRING, match.group(1))]
        if form.startswith("CONTAINS"):
            return _by_list(account, values[0])
        # Stored emails are lower-case and comparison is exact: an upper-case literal finds nothing.
        condition = "WHERE email IN (SELECT value FROM json_each(?))"
        sql = f"SELECT * FROM contacts {condition} ORDER BY number LIMIT {MAX_RESULTS}"  # noqa: S608 - ours
        total = account.store.number(f"SELECT count(*) FROM contacts {condition}", as_json(values))  # noqa: S608 - a condition of our own
        return _shown(account, sql, values), total
    raise refused("query", f"the sandbox speaks only these forms of SGQL: {'; '.join(_QUERIES)}")


def _by_list(account: Account, identity: str) -> tuple[list[dict[str, Any]], int]:
    try:
        contact_list = lists.get(account, identity)
    except UnknownThingError:
        return [], 0
    return contacts.sample(account, contact_list.number)


def _asked(identifier: str, wanted: object, field: str) -> list[str]:
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise refused(field, f"{field} must be a list of texts")
    asked = list(dict.fromkeys(normalised(identifier, one) for one in wanted if one))
    if not asked:
        raise refused(field, f"{field} must not be empty")
    if len(wanted) > MAX_IDENTIFIERS:
        raise refused(field, f"{field} must be a list of at most {MAX_IDENTIFIERS}")
    check = {"email": is_valid_email, "phone_number_id": is_valid_phone}.get(identifier)
    invalid = [one for one in asked if check is not None and not check(one)]
    if invalid:
        raise refused(field, f"{identifier} '{invalid[0]}' is not valid")
    return asked


def _by_alternate_email(account: Account, emails: list[str]) -> dict[str, dict[str, Any]]:
    numbers = {
        int(row["contact"]): str(row["email"])
        for row in account.store.rows(
            "SELECT email, contact FROM alternate_emails WHERE email IN (SELECT value FROM json_each(?))",
            as_json(emails),
        )
    }
    found = account.store.rows(
        "SELECT * FROM contacts WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number",
        as_json(list(numbers)),
    )
    return {
        numbers[int(row["number"])]: contact for row, contact in zip(found, contacts.shown(account, found), strict=True)
    }


def _shown(account: Account, sql: str, values: list[str]) -> list[dict[str, Any]]:
    return contacts.shown(account, account.store.rows(sql, as_json(values)))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
