"""The command line `target-sendgrid-sandbox`."""

from __future__ import annotations

import sys

_MISSING = (
    "The sandbox is not installed: the module '{}' is missing. Install the target with its extra `sandbox`: in a clone"
    " with `uv tool install '.[sandbox]'`; in Meltano, end `pip_url` with `[sandbox]` and run `meltano install`.\n"
)


def main() -> None:
    """Run the command line. Where the extra that it needs is not installed, say so."""
    try:
        from target_sendgrid.sandbox import command_line  # noqa: PLC0415 - may be missing what the extra brings
    except ModuleNotFoundError as error:
        sys.stderr.write(_MISSING.format(error.name))
        sys.exit(1)
    command_line.main()


if __name__ == "__main__":
    main()
