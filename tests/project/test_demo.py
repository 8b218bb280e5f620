"""The demo's data is what its script makes, and its tap resumes from its state."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from demo import make_profiles

DEMO = Path(make_profiles.__file__).parent


def tap(*arguments: str) -> list[dict[str, Any]]:
    run = subprocess.run([sys.executable, str(DEMO / "tap_profiles.py"), *arguments], capture_output=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_the_committed_profiles_are_what_the_script_makes() -> None:
    for audience, members in make_profiles.make_audiences().items():
        lines = (DEMO / "profiles" / f"{audience}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == members


def test_every_address_is_on_a_domain_reserved_for_examples() -> None:
    people = itertools.chain(*make_profiles.make_audiences().values())
    domains = {str(person["profile_email"]).strip().lower().rpartition("@")[2] for person in people}
    reserved = ("example", "example.com", "example.org", "example.net")
    assert {domain for domain in domains if not domain.endswith(reserved)} == {"", "none", "localhost", "nodot"}


def test_the_tap_sends_nothing_twice(tmp_path: Path) -> None:
    messages = tap()
    assert sum(message["type"] == "RECORD" for message in messages) == 1174
    state = tmp_path / "state.json"
    state.write_text(json.dumps(messages[-1]["value"]), encoding="utf-8")
    assert {message["type"] for message in tap("--state", str(state))} == {"SCHEMA"}


def test_every_state_of_the_tap_names_all_audiences_it_has_read() -> None:
    states = [message["value"]["bookmarks"] for message in tap() if message["type"] == "STATE"]
    assert list(states[-1]) == ["newsletter_subscribers", "recent_customers"]
    assert all(list(earlier) <= list(later) for earlier, later in itertools.pairwise(states))
