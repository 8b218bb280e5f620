"""Seeds of random tests."""

from __future__ import annotations

import os


def seeds(variable: str, count: int) -> range:
    """Return the seeds that a test tries: the same ones in each run, unless the environment says otherwise.

    Args:
        variable: Environment variable that holds how many seeds are tried.
        count: How many are tried without it. The environment variable ``FIRST_SEED`` holds the first one, usually 0.
    """
    first = int(os.environ.get("FIRST_SEED", "0"))
    return range(first, first + int(os.environ.get(variable, count)))
