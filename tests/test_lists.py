from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from target_sendgrid.errors import BadRequestError, ConfigError
from target_sendgrid.sendgrid.lists import Lists

if TYPE_CHECKING:
    from collections.abc import Iterator


class SomeList(NamedTuple):
    """A list of an account."""

    id: str
    name: str


class Account:
    """Lists of an account, and the calls that were made of it."""

    def __init__(self, *names: str) -> None:
        self.held = [SomeList(f"id{number}", name) for number, name in enumerate(names)]
        self.calls: list[str] = []
        self.made_meanwhile: list[SomeList] = []

    def lists(self) -> Iterator[SomeList]:
        self.calls.append("read names")
        yield from self.held

    def find_list(self, list_id: str) -> SomeList | None:
        self.calls.append(f"find {list_id}")
        return next((held for held in self.held if held.id == list_id), None)

    def create_list(self, name: str) -> SomeList:
        self.calls.append(f"create {name}")
        if self.made_meanwhile or name == "refused":
            self.held += self.made_meanwhile
            message = "SendGrid refused POST /v3/marketing/lists (400)."
            raise BadRequestError(message, [])
        self.held.append(SomeList(f"id{len(self.held)}", name))
        return self.held[-1]


def problems_of(account: Account, list_ids: list[str], names: list[str], *, can_create: bool = True) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Lists(account, can_create=can_create).check(list_ids, names)
    return caught.value.problems


class TestChecking:
    def test_an_unknown_id_is_a_problem(self) -> None:
        (problem,) = problems_of(Account("News"), ["id7"], [])
        assert problem == "SendGrid has no list with the id 'id7'. Check `list_id`, or give `list_name` instead."

    def test_a_name_that_two_lists_share_is_a_problem_that_names_their_ids(self) -> None:
        (problem,) = problems_of(Account("News", "Other", "News"), [], ["News"])
        assert problem == "SendGrid has 2 lists named 'News'. Give `list_id` instead: one of id0, id2."

    def test_a_missing_name_is_a_problem_where_no_list_may_be_created(self) -> None:
        (problem,) = problems_of(Account("News"), [], ["Nwes"], can_create=False)
        assert problem == "SendGrid has no list named 'Nwes', and `create_list` is false. Did you mean 'News'?"

    def test_a_missing_name_is_no_problem_where_lists_may_be_created(self) -> None:
        account = Account()
        Lists(account, can_create=True).check([], ["News"])
        assert account.held == []

    def test_a_name_of_other_capitals_is_another_name(self) -> None:
        assert len(problems_of(Account("news"), [], ["News"], can_create=False)) == 1

    def test_all_problems_are_told_at_once(self) -> None:
        problems = problems_of(Account("A", "A"), ["id7", "id8"], ["A", "B"], can_create=False)
        assert len(problems) == 4

    def test_a_problem_is_told_once(self) -> None:
        assert len(problems_of(Account(), ["id7", "id7"], ["B", "B"], can_create=False)) == 2

    def test_names_are_read_once_and_only_if_there_are_any(self) -> None:
        account = Account("A", "B")
        lists = Lists(account, can_create=True)
        lists.check(["id0"], [])
        lists.check(["id0"], iter(["A", "B"]))
        assert account.calls == ["find id0", "read names", "find id0"]


class TestResolving:
    def test_a_checked_id_leads_to_its_list(self) -> None:
        lists = Lists(Account("A", "B"), can_create=True)
        lists.check(["id1"], [])
        assert lists.resolve("id1", None) == SomeList("id1", "B")

    def test_a_checked_name_leads_to_its_list(self) -> None:
        lists = Lists(Account("A", "B"), can_create=True)
        lists.check([], ["B"])
        assert lists.resolve(None, "B") == SomeList("id1", "B")

    def test_a_missing_list_is_created_once(self) -> None:
        account = Account()
        lists = Lists(account, can_create=True)
        lists.check([], ["A"])
        assert lists.resolve(None, "A") == lists.resolve(None, "A") == SomeList("id0", "A")
        assert account.calls == ["read names", "create A"]

    def test_resolving_a_known_list_asks_nothing(self) -> None:
        account = Account("A")
        lists = Lists(account, can_create=True)
        lists.check(["id0"], ["A"])
        account.calls.clear()
        lists.resolve("id0", None)
        lists.resolve(None, "A")
        assert account.calls == []

    def test_a_list_that_somebody_else_made_meanwhile_is_taken(self) -> None:
        account = Account()
        account.made_meanwhile = [SomeList("theirs", "A")]
        lists = Lists(account, can_create=True)
        lists.check([], ["A"])
        assert lists.resolve(None, "A") == SomeList("theirs", "A")

    def test_two_lists_made_meanwhile_are_a_problem_still(self) -> None:
        account = Account()
        account.made_meanwhile = [SomeList("theirs", "A"), SomeList("others", "A")]
        lists = Lists(account, can_create=True)
        lists.check([], ["A"])
        with pytest.raises(ConfigError, match="2 lists named 'A'"):
            lists.resolve(None, "A")

    def test_a_refused_list_is_told_with_what_may_be_wrong(self) -> None:
        lists = Lists(Account(), can_create=True)
        lists.check([], ["refused"])
        with pytest.raises(ConfigError, match="an account may have 1,000 lists, and a name must be new"):
            lists.resolve(None, "refused")

    def test_a_created_list_is_remembered_while_the_account_does_not_show_it_yet(self) -> None:
        account = Account()
        lists = Lists(account, can_create=True)
        lists.check([], ["A", "B"])
        created = lists.resolve(None, "A")
        account.held.clear()
        account.made_meanwhile = [SomeList("theirs", "B")]
        lists.resolve(None, "B")
        assert lists.resolve(None, "A") is created
