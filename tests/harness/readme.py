"""What the README tells its readers to type."""

from __future__ import annotations

import re

from tools.docs import ROOT


def blocks(heading: str, language: str = "sh") -> list[str]:
    """Return the blocks of code below a heading of the README, up to the next heading.

    Raises:
        ValueError: There is no such heading.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, section = text.partition(f"\n{heading}\n")
    if not section:
        message = f"no heading {heading}"
        raise ValueError(message)
    return re.findall(rf"^```{language}\n(.*?)^```$", re.split(r"\n#+ ", section)[0], re.DOTALL | re.MULTILINE)
