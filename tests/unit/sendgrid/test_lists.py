"""Finding, creating and replacing contact lists, against a local SendGrid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.errors import ConfigError
from target_sendgrid.sendgrid.client import Client, ContactList
from target_sendgrid.sendgrid.lists import Lists, ListTracker
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.clocks import SandboxClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.sandbox.server import SandboxServer

LISTS = "/v3/marketing/lists"


class ListsHarness:
    """The contact lists of a sandbox, and a client of it."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.client = Client(Transport(sandbox.url, sandbox.api_key, clock=SandboxClock(sandbox), timeout_seconds=5))

    def has(self, *names: str) -> list[ContactList]:
        """Give the account lists of these names, also twice the same, and return them in that order."""
        self.sandbox.seed(lists=list(names))
        remaining = list(self.client.lists())
        found = []
        for name in names:
            found.append(next(entry for entry in remaining if entry.name == name))
            remaining.remove(found[-1])
        self.sandbox.clear_requests()
        return found

    def shows(self, *lists: ContactList) -> None:
        """Show only these lists from now on, as an account does that is not up to date yet."""
        body = {"result": [{"id": entry.id, "name": entry.name} for entry in lists], "_metadata": {}}
        self.sandbox.add_fault("status", method="GET", path=LISTS, status=200, body=body, times=None)

    def delete(self, entry: ContactList) -> None:
        """Delete a list, as someone else would who uses the account."""
        path = f"{LISTS}/{entry.id}"
        self.client.transport.request("DELETE", path, what="to delete lists", read=lambda content: content)

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.client.lists())

    def requests(self) -> list[str]:
        """Return method and path of each request since the account was set up or this was last called."""
        requests = [f"{entry['method']} {entry['path'].partition('?')[0]}" for entry in self.sandbox.requests()]
        self.sandbox.clear_requests()
        return requests


@pytest.fixture
def harness(sandbox: SandboxServer) -> Iterator[ListsHarness]:
    harness = ListsHarness(sandbox)
    yield harness
    harness.client.transport.close()


def problems_of(harness: ListsHarness, list_ids: list[str], names: list[str], *, can_create: bool = True) -> list[str]:
    """Return the problems, which a check raises all at once."""
    problems = Lists(harness.client, can_create=can_create).problems(list_ids, names)
    with pytest.raises(ConfigError) as caught:
        Lists(harness.client, can_create=can_create).check(list_ids, names)
    assert caught.value.problems == problems
    return list(problems)


class TestChecking:
    def test_an_unknown_id_is_a_problem(self, harness: ListsHarness) -> None:
        harness.has("News")
        (problem,) = problems_of(harness, ["id7"], [])
        assert problem == "SendGrid has no list with the id 'id7'. Check `list_id`, or give `list_name` instead."

    def test_a_name_that_two_lists_share_is_a_problem_that_names_their_ids(self, harness: ListsHarness) -> None:
        first, _, second = harness.has("News", "Other", "News")
        (problem,) = problems_of(harness, [], ["News"])
        ids = f"{first.id}, {second.id}"
        assert problem == f"SendGrid has 2 lists named 'News'. Give `list_id` instead: one of {ids}."

    def test_a_missing_name_is_a_problem_where_no_list_may_be_created(self, harness: ListsHarness) -> None:
        harness.has("News")
        (problem,) = problems_of(harness, [], ["Nwes"], can_create=False)
        assert problem == "SendGrid has no list named 'Nwes', and `create_list` is false. Did you mean 'News'?"

    def test_a_missing_name_is_no_problem_where_lists_may_be_created(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["News"])
        assert lists.problems([], ["News"]) == []
        assert harness.names() == []

    @pytest.mark.parametrize("can_create", [True, False])
    def test_a_name_that_differs_only_in_capitals_is_a_problem_that_names_the_list(
        self, harness: ListsHarness, *, can_create: bool
    ) -> None:
        harness.has("NEWS Ä ")
        (problem,) = problems_of(harness, [], ["News ä"], can_create=can_create)
        assert problem == (
            "SendGrid has no list named 'News ä', but one named 'NEWS Ä '. Write the name with its capitals: SendGrid"
            " creates no list whose name differs only in capitals."
        )

    def test_the_name_with_the_right_capitals_is_taken_before_others(self, harness: ListsHarness) -> None:
        _, second = harness.has("news", "News")
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["News"])
        assert lists.resolve(None, "News") == second

    def test_names_of_missing_lists_may_not_differ_only_in_capitals(self, harness: ListsHarness) -> None:
        (problem,) = problems_of(harness, [], ["News", "NEWS", "Other"])
        assert problem == (
            "The settings name the lists 'News' and 'NEWS': SendGrid creates no list whose name differs only in"
            " capitals. Write one of them in both places."
        )

    def test_a_list_is_found_whose_name_has_blanks_around_it(self, harness: ListsHarness) -> None:
        (padded,) = harness.has(" News ")
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["News"])
        assert lists.resolve(None, "News") == padded
        assert lists.given_name(padded.id) == "News"
        assert harness.names() == [" News "]

    def test_a_name_without_blanks_is_taken_before_one_with_them(self, harness: ListsHarness) -> None:
        _, exact = harness.has("News ", "News")
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["News"])
        assert lists.resolve(None, "News") == exact

    def test_two_names_that_differ_only_in_blanks_are_a_problem_that_names_their_ids(
        self, harness: ListsHarness
    ) -> None:
        first, second = harness.has("News ", " News")
        (problem,) = problems_of(harness, [], ["News"])
        assert sorted([first.id, second.id]) == sorted(problem.partition("one of ")[2].rstrip(".").split(", "))

    def test_all_problems_are_reported_at_once(self, harness: ListsHarness) -> None:
        harness.has("A", "A")
        assert len(problems_of(harness, ["id7", "id8"], ["A", "B"], can_create=False)) == 4

    def test_a_problem_is_reported_once(self, harness: ListsHarness) -> None:
        assert len(problems_of(harness, ["id7", "id7"], ["B", "B"], can_create=False)) == 2

    def test_names_are_read_once_and_only_if_there_are_any(self, harness: ListsHarness) -> None:
        first, _ = harness.has("A", "B")
        lists = Lists(harness.client, can_create=True)
        lists.check([first.id], [])
        lists.check([first.id], iter(["A", "B"]))
        assert harness.requests() == [f"GET {LISTS}/{first.id}", f"GET {LISTS}", f"GET {LISTS}/{first.id}"]


class TestResolving:
    def test_a_checked_id_leads_to_its_list(self, harness: ListsHarness) -> None:
        _, second = harness.has("A", "B")
        lists = Lists(harness.client, can_create=True)
        lists.check([second.id], [])
        assert lists.resolve(second.id, None) == second

    def test_a_checked_name_leads_to_its_list(self, harness: ListsHarness) -> None:
        _, second = harness.has("A", "B")
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["B"])
        assert lists.resolve(None, "B") == second

    def test_a_missing_list_is_created_once(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["A"])
        created = lists.resolve(None, "A")
        assert lists.resolve(None, "A") == created
        assert harness.requests() == [f"GET {LISTS}", f"POST {LISTS}"]
        assert list(harness.client.lists()) == [created]

    def test_resolving_a_known_list_sends_no_request(self, harness: ListsHarness) -> None:
        (known,) = harness.has("A")
        lists = Lists(harness.client, can_create=True)
        lists.check([known.id], ["A"])
        harness.requests()
        lists.resolve(known.id, None)
        lists.resolve(None, "A")
        assert harness.requests() == []

    def test_a_list_that_is_given_by_its_id_has_no_given_name_even_if_another_stream_gives_it(
        self, harness: ListsHarness
    ) -> None:
        first, second = harness.has("A", "B")
        lists = Lists(harness.client, can_create=True)
        lists.check([first.id], ["A", "B"])
        for name in ("A", "B"):
            lists.resolve(None, name)
        assert (lists.given_name(first.id), lists.given_name(second.id)) == (None, "B")

    def test_a_list_that_someone_else_created_since_is_taken(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["A"])
        (theirs,) = harness.has("A")
        assert lists.resolve(None, "A") == theirs
        assert harness.requests() == [f"POST {LISTS}", f"GET {LISTS}"]

    def test_two_lists_that_were_created_since_are_a_problem_still(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["A"])
        harness.has("A", "A")
        with pytest.raises(ConfigError, match="2 lists named 'A'"):
            lists.resolve(None, "A")

    def test_a_list_that_was_created_since_with_other_capitals_is_named(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["News"])
        harness.has("NEWS")
        harness.sandbox.add_fault("status", method="POST", path=LISTS, status=400, body={"errors": []})
        with pytest.raises(ConfigError, match="SendGrid has no list named 'News', but one named 'NEWS'"):
            lists.resolve(None, "News")

    def test_a_refused_list_is_reported_with_what_may_be_wrong(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["refused"])
        harness.sandbox.add_fault("status", method="POST", path=LISTS, status=400, body={"errors": []})
        with pytest.raises(ConfigError, match="an account may have 1,000 lists"):
            lists.resolve(None, "refused")

    def test_a_created_list_is_remembered_while_the_account_does_not_show_it_yet(self, harness: ListsHarness) -> None:
        lists = Lists(harness.client, can_create=True)
        lists.check([], ["A", "B"])
        created = lists.resolve(None, "A")
        (theirs,) = harness.has("B")
        harness.shows(theirs)
        assert lists.resolve(None, "B") == theirs
        assert lists.resolve(None, "A") is created


class TestTracking:
    def test_a_list_that_is_there_keeps_its_id(self, harness: ListsHarness) -> None:
        (entry,) = harness.has("A")
        tracker = ListTracker(harness.client, {entry.id: "A"}.get, can_create=True)
        assert not tracker.recreate((entry.id,))
        assert tracker.current((entry.id,)) == (entry.id,)

    def test_a_deleted_list_is_created_again_and_found_by_its_first_id(self, harness: ListsHarness) -> None:
        first, other = harness.has("A", "B")
        tracker = ListTracker(harness.client, {first.id: "A", other.id: "B"}.get, can_create=True)
        for _ in range(2):
            (deleted,) = [entry for entry in harness.client.lists() if entry.name == "A"]
            harness.delete(deleted)
            assert tracker.recreate((other.id, first.id))
            (created,) = [entry for entry in harness.client.lists() if entry.name == "A"]
            assert created.id != deleted.id
            assert tracker.current((other.id, first.id)) == (other.id, created.id)

    def test_a_list_that_someone_else_created_again_is_taken(self, harness: ListsHarness) -> None:
        (entry,) = harness.has("A")
        tracker = ListTracker(harness.client, {entry.id: "A"}.get, can_create=False)
        harness.delete(entry)
        (theirs,) = harness.has("A")
        assert tracker.recreate((entry.id,))
        assert tracker.current((entry.id,)) == (theirs.id,)

    def test_only_a_list_with_another_id_is_warned_about(
        self, harness: ListsHarness, caplog: pytest.LogCaptureFixture
    ) -> None:
        (entry,) = harness.has("A")
        tracker = ListTracker(harness.client, {entry.id: "A"}.get, can_create=True)
        harness.delete(entry)
        harness.shows(entry)  # the account is not up to date yet
        assert not tracker.recreate((entry.id,))
        assert [record for record in caplog.records if record.levelname == "WARNING"] == []
        harness.sandbox.clear_faults()
        assert tracker.recreate((entry.id,))
        (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
        assert tracker.current((entry.id,))[0] in warning

    def test_a_deleted_list_given_by_id_cannot_be_recreated(self, harness: ListsHarness) -> None:
        (entry,) = harness.has("A")
        tracker = ListTracker(harness.client, lambda _: None, can_create=True)
        harness.delete(entry)
        with pytest.raises(ConfigError, match=f"'{entry.id}' was deleted during the run and cannot be recreated"):
            tracker.recreate((entry.id,))

    def test_a_deleted_list_that_may_not_be_created_ends_with_both_reasons(self, harness: ListsHarness) -> None:
        (entry,) = harness.has("A")
        tracker = ListTracker(harness.client, {entry.id: "A"}.get, can_create=False)
        harness.delete(entry)
        with pytest.raises(ConfigError, match=r"'A' was deleted during the run\. SendGrid has no list named 'A', and"):
            tracker.recreate((entry.id,))

    def test_lists_are_labelled_as_the_settings_give_them(self, harness: ListsHarness) -> None:
        tracker = ListTracker(harness.client, {"id1": "A"}.get, can_create=True)
        assert tracker.label(("id1", "id2")) == "'A' or 'id2'"
