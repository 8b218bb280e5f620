"""Each record goes to the lists that a property of it names (the setting `list_property`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_sendgrid.delivery import batching
from target_sendgrid.mapping import fast_path
from tests.harness.messages import state
from tests.harness.readme import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished

SEGMENT = {"type": ["string", "integer", "array", "null"]}
PROPERTIES: dict[str, Any] = {
    "email": {"type": "string"},
    "segment": SEGMENT,
    "in": {"type": ["object", "null"], "properties": {"segment": SEGMENT}},
}
LISTS = {"vip": "VIP customers", "new": "New customers", "7": "Lucky"}
CONFIG = {"list_name": None, "list_property": "segment", "lists": LISTS}


def lines(*records: dict[str, Any]) -> Iterator[str]:
    schema = {"type": "object", "properties": PROPERTIES}
    yield json.dumps({"type": "SCHEMA", "stream": "members", "key_properties": [], "schema": schema})
    for number, record in enumerate(records):
        yield json.dumps({"type": "RECORD", "stream": "members", "record": record})
        yield json.dumps(state(number))


def lists_of(account: Account) -> dict[str, list[str]]:
    return {name: account.emails(name) for name in LISTS.values()}


def counts_of(run: Finished) -> dict[str, Any]:
    counts: dict[str, Any] = run.report["streams"]["members"]
    return counts


def test_rows_of_a_segment_and_a_person_go_to_the_list_of_the_segment(account: Account) -> None:
    rows = [
        ("ada", "vip"),
        ("bob", "new"),
        ("ada", "new"),
        ("cy", 7),
        ("dee", ["vip", "new"]),
        ("eve", "gold"),
        ("flo", None),
    ]
    run = account.run(*lines(*({"email": f"{name}@x.com", "segment": value} for name, value in rows)), **CONFIG)
    assert run.exit_code == 0, run.log
    assert lists_of(account) == {
        "VIP customers": ["ada@x.com", "dee@x.com"],
        "New customers": ["ada@x.com", "bob@x.com", "dee@x.com"],
        "Lucky": ["cy@x.com"],
    }
    counts = counts_of(run)
    assert (counts["received"], counts["upserted"], counts["ignored"]) == (7, 4, 2)
    assert counts["records_by_list"] == {"VIP customers": 2, "New customers": 3, "Lucky": 1}
    assert json.loads(run.states[-1]) == state(6)["value"]
    assert "-> lists 'VIP customers' 2, 'New customers' 3, 'Lucky' 1: 7 received" in run.log
    assert "gold" not in run.log


@pytest.mark.parametrize("place", ["segment", "in.segment"])
@pytest.mark.parametrize(
    "own", [{}, {"flattening_enabled": True, "flattening_max_depth": 2}, {"validate_scope": "all"}]
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(
        st.fixed_dictionaries(
            {"email": st.sampled_from(["a@x.com", "B@x.com", "no"])},
            optional={
                "segment": st.sampled_from(["vip", "new", 7, 7.0, None, ["vip", 7], [], {}, "gold"]),
                "in": st.sampled_from([None, {}, {"segment": "vip"}, {"segment": ["new", None]}, {"segment": 7}]),
            },
        ),
        max_size=8,
    )
)
def test_each_path_has_the_same_outcome(
    account: Account, records: list[dict[str, Any]], place: str, own: dict[str, Any]
) -> None:
    name = place.replace(".", "__") if "flattening_enabled" in own else place
    ends = []
    for is_fast in (True, False):
        account.reset()
        patched = mock.patch.object(fast_path, "fast_path_for", wraps=fast_path.fast_path_for)
        with patched if is_fast else mock.patch.object(fast_path, "fast_path_for", return_value=None):
            run = account.run(*lines(*records), **CONFIG | own | {"list_property": name, "max_rejected_percent": 100})
        assert run.exit_code == 0, run.log
        ends.append((lists_of(account), counts_of(run), run.states, account.rejected_lines()))
    assert ends[0] == ends[1]


def test_the_recipe_of_the_readme_fills_its_lists(account: Account) -> None:
    (block,) = blocks("### Several lists from one table", "yaml")
    rows = [("ada", "vip"), ("ada", "trial"), ("bob", "other"), ("cy", ["trial"])]
    records = [{"email": f"{name}@x.com", "segment": value} for name, value in rows]
    run = account.run(*lines(*records), list_name=None, **yaml.safe_load(block))
    assert run.exit_code == 0, run.log
    assert account.emails("VIP customers") == ["ada@x.com"]
    assert account.emails("Trial users") == ["ada@x.com", "cy@x.com"]


def test_batch_files_choose_lists_too(account: Account) -> None:
    file = account.folder / "members.jsonl"
    file.write_text('{"email": "ada@x.com", "segment": "vip"}\n{"email": "bob@x.com"}\n', encoding="utf-8")
    schema, *_ = lines()
    batch = {"type": "BATCH", "stream": "members", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    run = account.run(schema, batch, **CONFIG)
    assert lists_of(account)["VIP customers"] == ["ada@x.com"]
    assert counts_of(run)["ignored"] == 1


def test_an_entry_of_streams_has_a_list_property_of_its_own(account: Account) -> None:
    own = {"list_property": "segment", "lists": {"vip": "VIP customers"}}
    account.run(*lines({"email": "ada@x.com", "segment": "vip"}), list_name="Everybody", streams={"members": own})
    assert account.emails("VIP customers") == ["ada@x.com"]
    assert account.count("POST", "lists") == 1


def test_a_list_property_that_the_stream_does_not_have_ends_the_run_before_anything_is_created(
    account: Account,
) -> None:
    run = account.run(*lines({"email": "ada@x.com"}), **CONFIG | {"list_property": "segmnet"})
    assert run.exit_code == 1
    assert (
        "Stream 'members': no property is named 'segmnet', as `list_property` says. Did you mean 'segment'?" in run.log
    )
    assert account.count("POST", "lists") == 0


def test_a_dry_run_and_a_check_name_the_lists(account: Account) -> None:
    given_lines = list(lines({"email": "ada@x.com", "segment": "vip"}))
    run = account.run(*given_lines, **CONFIG, dry_run=True)
    assert run.exit_code == 0, run.log
    assert run.report["dry_run"]["new_lists"] == list(LISTS.values())
    checked = account.check(*given_lines, **CONFIG)
    assert any("would fill 3 lists by the values of property 'segment'" in what for _, what in checked.findings)
    assert account.count("POST", "lists") == 0


def test_memory_is_bounded_where_people_go_to_many_lists(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_OPEN_BYTES", 20_000)
    most = 0
    add = batching.Batcher.add

    def watched(self: batching.Batcher, change: Any, *, is_new: bool = False) -> bool:
        nonlocal most
        result = add(self, change, is_new=is_new)
        most = max(most, sum(group.byte_count for group in self._groups.values()))
        return result

    monkeypatch.setattr(batching.Batcher, "add", watched)
    lists = {str(number): f"List {number}" for number in range(20)}
    records = [{"email": f"{number}@x.com", "segment": number % 20, "x": "x" * 200} for number in range(4_000)]
    run = account.run(*lines(*records), **CONFIG | {"lists": lists})
    assert counts_of(run)["upserted"] == 4_000
    assert most < 30_000
