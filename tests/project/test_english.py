"""Code, docs and names of tests are in plain English: a list of words that are not, and what to say instead."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

BANNED = {
    "couriers?|carriers?": "job runner, worker or thread",
    "shipments?": "job",
    "discre(?:et|etly|tion)": "redacted, redaction",
    "mend(?:s|ed|ing)?": "fix, correct or replace",
    "anew": "again",
    "bears?|borne": "allows, tolerates or survives",
    "for ever": "forever, or without a limit",
    "in vain": "without effect",
    "knock(?:s|ed|ing)?": "send a request, or retry",
    "patience": "retry budget, or time limit",
    "(?<![./…])pac(?:e|ed|ing)": "rate limit",  # a path or a module may be the benchmark of that name
    "stands? (?:for|in|at|there|on|beside)": "is, is in, means or represents",
    "(?:quick|fast) ways?": "fast path",
    "(?:ordinary|slow) ways?": "slow path",
    "judg(?:e|es|ed|ing|ement|ements|ment|ments)": "check, validate",
    "whoever": "the code, the user or whatever it is",
    "dawdl(?:e|es|ed|ing)": "wait, or be slow",
    "(?:is|are|was|were|be) told(?! (?:apart|from))": "is returned, reported, logged or named",
    "tells? whether": "returns whether",
    "that (?:is|are) (?-i:none)": "is not one",
}
"""Pattern of words → what to say instead. Underscores are read as blanks."""


def tracked_texts() -> Iterator[tuple[str, str]]:
    patterns = ("*.py", "*.md", "*.toml", "*.yml")
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in listed.stdout.splitlines():
        if (path := ROOT / name).is_file() and path != Path(__file__):
            yield name, path.read_text(encoding="utf-8")


def test_no_file_holds_a_banned_word() -> None:
    found = []
    for name, text in tracked_texts():
        for number, line in enumerate(text.replace("_", " ").splitlines(), 1):
            for words, instead in BANNED.items():
                match = re.search(rf"\b(?:{words})\b", line, re.IGNORECASE)
                if match and not (match[0].startswith("pac") and name.startswith("tools/benchmarks/")):
                    found.append(f"{name}:{number}: instead of '{match[0]}' say: {instead}")
    assert not found, "\n".join(found)
