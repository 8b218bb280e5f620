"""No suppression, deletion or erasure makes a run show a value or the key, whatever SendGrid says to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs.privacy import canaries
from tests.runs.privacy.test_faults import BODIES, HEADERS, LOG_FORMATS

if TYPE_CHECKING:
    from tests.runs.privacy.conftest import CanaryAccount

SUPPRESS = {"method": "POST", "path": "/v3/asm/suppressions/global"}
SUPPRESSED = {"method": "GET", "path": "/v3/suppression/unsubscribes"}
ERASE = {"method": "POST", "path": "/v3/recipients/erasejob"}
DELETE = {"method": "DELETE", "path": "/v3/marketing/contacts"}


@pytest.mark.parametrize("status", [201, 202, 400, 403, 500])
@pytest.mark.parametrize("where", [SUPPRESS, ERASE, DELETE], ids=["suppress", "erase", "delete"])
def test_no_answer_is_shown(account: CanaryAccount, where: dict[str, Any], status: int) -> None:
    for index, body in enumerate(BODIES[status % 2 :: 2]):
        fault = {**where, "kind": "status", "status": status, "body": body, "headers": HEADERS, "times": 2}
        account.run(fault, log_format=LOG_FORMATS[index % 2], ending=canaries.DELETED_ROWS, **canaries.CONSENT)


@pytest.mark.parametrize("where", [SUPPRESS, ERASE], ids=["suppress", "erase"])
def test_no_refused_address_is_shown(account: CanaryAccount, where: dict[str, Any]) -> None:
    fault = {**where, "kind": "refusal", "contacts": [canaries.PEOPLE[0]["mail"]], "times": None}
    run = account.run(fault, ending=canaries.DELETED_ROWS, **canaries.CONSENT)
    assert "refused_by_sendgrid" in run.rejected


def test_no_answer_about_who_is_suppressed_is_shown(account: CanaryAccount) -> None:
    for index, body in enumerate(BODIES):
        fault = {**SUPPRESSED, "kind": "status", "status": 200, "body": body, "headers": HEADERS, "times": 2}
        more = {"max_suppressions": 1, **canaries.CONSENT}
        account.run(fault, log_format=LOG_FORMATS[index % 2], ending=canaries.DELETED_ROWS, **more)


def test_canaries_are_suppressed_and_erased(account: CanaryAccount) -> None:
    run = account.run(ending=canaries.DELETED_ROWS, **canaries.CONSENT)
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.suppressed()) > 2
    assert len(account.sandbox.erased()) > 1
