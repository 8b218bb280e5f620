from __future__ import annotations

import inspect

import pytest

from target_sendgrid import errors
from target_sendgrid.errors import (
    BadRequestError,
    Code,
    ConfigError,
    ContactLimitError,
    NotFoundError,
    Problem,
    Reason,
    RecordRejectedError,
    SendGridError,
    TargetSendGridError,
    TerminatedError,
    TransientError,
    codes_of,
)

CLASSES = {
    name: thing
    for name, thing in vars(errors).items()
    if inspect.isclass(thing) and issubclass(thing, BaseException)
}  # fmt: skip


def drawn_parents() -> dict[str, str | None]:
    """Return the parent of each error in the tree of the docstring."""
    parents: dict[str, str | None] = {}
    at_depth: dict[int, str] = {}
    tree = (errors.__doc__ or "").split("::\n\n")[1].split("\n\n")[0]
    for line in tree.splitlines():
        name = next(word for word in line.split() if word.endswith("Error"))
        depth = line.index(name)
        parents[name] = at_depth.get(depth - 4)
        at_depth[depth] = name
    return parents


class TestTree:
    def test_every_error_is_drawn(self) -> None:
        assert set(drawn_parents()) == set(CLASSES)

    @pytest.mark.parametrize("name", sorted(CLASSES))
    def test_an_error_has_the_parent_that_is_drawn(self, name: str) -> None:
        parent = CLASSES[name].__base__
        assert drawn_parents()[name] == (parent.__name__ if parent and parent.__name__ in CLASSES else None)

    def test_a_rejected_record_does_not_end_the_run(self) -> None:
        assert not issubclass(RecordRejectedError, TargetSendGridError)

    def test_a_signal_is_not_caught_as_an_exception(self) -> None:
        assert not issubclass(TerminatedError, Exception)


class TestContent:
    @pytest.mark.parametrize(("problems", "expected"), [("one.", ["one."]), (["one.", "two."], ["one.", "two."])])
    def test_a_config_error_holds_its_problems_one_a_line(self, problems: str | list[str], expected: list[str]) -> None:
        error = ConfigError(problems)
        assert (error.problems, str(error).splitlines()) == (expected, expected)

    def test_the_details_of_sendgrid_are_not_part_of_the_message(self) -> None:
        error = BadRequestError("SendGrid refused it.", [("contacts[0].email", "email 'zaphod' is not valid")])
        assert "zaphod" not in f"{error} {error!r} {error.args}"

    def test_a_rejected_record_has_its_reason_and_its_sentence(self) -> None:
        error = RecordRejectedError(Reason.TOO_LONG, "It is too long.")
        assert (error.reason, error.sentence, str(error)) == (Reason.TOO_LONG, "It is too long.", "It is too long.")

    def test_the_contact_limit_says_what_to_do_and_that_nobody_is_rejected(self) -> None:
        text = str(ContactLimitError())
        for words in ("reached the contact limit of its plan", "No record is rejected", "Upgrade the plan or delete"):
            assert words in text

    def test_a_missing_thing_is_sendgrids_word_unless_it_is_said_otherwise(self) -> None:
        assert NotFoundError("no").is_from_sendgrid
        assert not NotFoundError("no", is_from_sendgrid=False).is_from_sendgrid

    def test_a_transient_error_leaves_open_whether_the_request_was_taken(self) -> None:
        error = TransientError("no")
        assert (error.may_have_been_taken, error.budget_seconds, error.final_error) == (True, None, None)

    def test_a_signal_is_named_by_its_number(self) -> None:
        error = TerminatedError(15)
        assert (error.signal_number, str(error)) == (15, "Stopped by signal 15.")

    def test_reason_codes_are_a_closed_list(self) -> None:
        assert [reason.value for reason in Reason] == [
            "schema_violation", "missing_key_property", "not_an_object", "unreadable", "stream_map_failed",
            "no_identifier", "deleted_without_identifier", "invalid_email", "invalid_phone", "too_long",
            "too_many_items", "not_a_number", "not_a_date", "not_a_boolean", "too_large", "refused_by_sendgrid",
            "failed_in_job", "not_stored",
        ]  # fmt: skip


class TestCodes:
    def test_each_class_that_can_end_a_run_has_a_code(self) -> None:
        classes = [thing for thing in CLASSES.values() if issubclass(thing, TargetSendGridError)]
        assert all(isinstance(thing.code, Code) for thing in classes if thing is not TargetSendGridError)

    def test_each_problem_has_the_code_of_its_error_unless_it_has_its_own(self) -> None:
        error = ConfigError(["one.", Problem("two.", code=Code.KEY_MISSING)], code=Code.WRONG_LIST)
        assert error.lines() == ["one. [wrong-list]", "two. [key-missing]"]
        assert codes_of(error) == ["wrong-list", "key-missing"]

    def test_problems_keep_their_codes_in_another_error(self) -> None:
        first, second = ContactLimitError(), SendGridError("no", code=Code.LIST_DELETED)
        assert ConfigError([*first.problems, *second.problems]).codes == [Code.CONTACT_LIMIT, Code.LIST_DELETED]

    def test_a_text_of_several_lines_has_its_code_on_each(self) -> None:
        assert ConfigError("one\ntwo").lines() == ["one [wrong-setting]", "two [wrong-setting]"]

    @pytest.mark.parametrize(("error", "code"), [(TerminatedError(15), "stopped"), (KeyError(), "internal-error")])
    def test_other_ends_of_a_run_have_a_code_too(self, error: BaseException, code: str) -> None:
        assert codes_of(error) == [code]
