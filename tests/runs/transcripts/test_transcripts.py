"""Singer transcripts, one claim each, which are piped through the real command line into the sandbox.

``transcripts/CLAIM.singer`` is what a tap writes; ``transcripts/CLAIM.json`` holds the config and the expected result.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.harness.account import Account

FOLDER = Path(__file__).parent
EMPTY: dict[str, Any] = {"custom_fields": {}, "alternate_emails": []}
"""Values of fields that the sandbox leaves out because they are empty."""
NO_SETTINGS: dict[str, Any] = {"list_name": None, "rejected_records_path": None, "max_rejected_percent": None}
"""The settings that `Account` gives each run, as if they were not given: a transcript has all of its own."""
CLAIMS = sorted(path.stem for path in FOLDER.glob("*.singer"))


@pytest.mark.parametrize("claim", CLAIMS)
def test_transcript(claim: str, account: Account) -> None:
    expected: dict[str, Any] = json.loads((FOLDER / f"{claim}.json").read_text(encoding="utf-8"))
    account.sandbox.seed(
        contacts=expected.get("seed", []),
        fields=expected.get("fields", {}),
    )
    run = account.run_process((FOLDER / f"{claim}.singer").read_bytes(), **NO_SETTINGS | expected["config"])

    assert run.exit_code == expected.get("exit_code", 0), run.log
    _assert_contacts(account.sandbox.contacts(), expected["contacts"])
    if "states" in expected:
        assert run.states == expected["states"]
    if "last_state" in expected:
        assert run.states[-1] == expected["last_state"]
    for stream, counts in expected.get("streams", {}).items():
        assert _counts(run.report["streams"][stream]) == counts
    if "distinct_profiles" in expected:
        assert run.report["distinct_profiles"] == expected["distinct_profiles"]
    if "jobs" in expected:
        assert run.report["import_jobs"] == expected["jobs"]
    for words in expected.get("says", []):
        assert words in run.log
    for words in expected.get("never_says", []):
        assert words not in run.log
    assert "Traceback" not in run.log
    assert "Internal error" not in run.log


def test_every_transcript_has_a_claim_and_every_claim_a_transcript() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == CLAIMS


def _counts(stream: dict[str, Any]) -> dict[str, Any]:
    """Return the counts that are not zero."""
    return {name: value for name, value in stream.items() if value and name not in {"list_id", "list_name"}}


def _assert_contacts(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare the contacts of an account with the expected ones, in the fields that the claim names."""

    def name(contact: dict[str, Any]) -> str:
        return str(contact.get("email") or contact.get("external_id"))

    assert sorted(map(name, found)) == sorted(map(name, expected))
    by_name = {name(contact): contact for contact in found}
    for contact in expected:
        actual = by_name[name(contact)]
        assert {field: actual.get(field, EMPTY.get(field, "")) for field in contact} == contact
