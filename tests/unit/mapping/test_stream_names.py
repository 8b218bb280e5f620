from __future__ import annotations

import pytest

from target_sendgrid.mapping.stream_names import doubt_about


@pytest.mark.parametrize(
    "name",
    ["unsubscribes", "list-unsubscribed", "GlobalExclusions", "email_bounces", "OptOuts", "spam_complaints", "opt_out"],
)
def test_some_people_are_not_to_be_written_to(name: str) -> None:
    assert doubt_about(name) == "by its name, these people are not to be written to"


@pytest.mark.parametrize("name", ["store", "companies", "mailboxes", "crm_branches", "Businesses", "projects", "org"])
def test_some_streams_are_not_about_people(name: str) -> None:
    assert doubt_about(name) == "by its name, it is not about people"


@pytest.mark.parametrize(
    "name", ["contacts", "company_contacts", "team_members", "users", "subscribed_contacts", "orders", "s", "", "客户"]
)
def test_other_streams_are_in_no_doubt(name: str) -> None:
    assert doubt_about(name) is None
