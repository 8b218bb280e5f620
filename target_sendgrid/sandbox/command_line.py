"""The commands of `target-sendgrid-sandbox`."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import click

from target_sendgrid.sandbox import coverage as coverage_facts
from target_sendgrid.sandbox import summary
from target_sendgrid.sandbox.account.store import Store, UnusableDatabaseError, memory_or_file
from target_sendgrid.sandbox.http.access import link
from target_sendgrid.sandbox.options import BadOptionError, Options, help_texts
from target_sendgrid.sandbox.server import SandboxServer, collect_garbage_rarely

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

DEFAULT_PORT = 8025
_READ_BYTES = 4_096


_EXAMPLES = """
\b
Start a sandbox that keeps its account in a file, and print how to use it:
  target-sendgrid-sandbox serve --database account.db

\b
Let tests start one on a free port, whose import jobs end at once:
  target-sendgrid-sandbox serve --quick --port 0 --ready-json

\b
Show what is in the account:
  target-sendgrid-sandbox show --database account.db
"""
"""The end of the help. Paragraphs after a backspace keep their lines."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES)
@click.version_option(package_name="target-sendgrid")
def main() -> None:
    """Run a local SendGrid that keeps contacts in one file and never sends anything anywhere."""


def _switches(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag to a command for every switch of the sandbox."""
    kinds = get_type_hints(Options)
    for name, help_text in reversed(help_texts().items()):
        flag = name.replace("_", "-")
        default = getattr(Options(), name)
        shown = ",".join(default) if isinstance(default, tuple) else str(default).lower()
        spelling, kind = f"--{flag}", None
        if kinds[name] is bool:
            spelling = f"--{flag}/--no-{flag}"
        elif get_origin(kinds[name]) is Literal:
            kind = click.Choice([str(choice) for choice in get_args(kinds[name])])
        text = f"{help_text} [default: {shown}]"
        command = click.option(spelling, name, type=kind, default=None, help=text)(command)
    return command


def _path(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Return the path of a database, which may also be written as in the target's setting `api_url`.

    Raises:
        BadParameter: It is an `api_url` that names no file.
    """
    if text is None or not (text == "sandbox" or re.match(r"sandbox:|https?://", text)):
        return text
    kind, _, path = text.partition(":")
    if kind == "sandbox" and path:
        return path
    message = "This `api_url` names no file. Only an account that `sandbox:PATH.db` keeps in a file can be looked into."
    raise click.BadParameter(message)


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
@click.option(
    "--database", metavar="PATH", callback=_path, help="File that keeps the account; in memory when left out."
)
@click.option("--key", metavar="TEXT", help="API key to accept, which other users can see; one is made when left out.")
@click.option("--quick", is_flag=True, help="Jobs end after 0.2 seconds, new fields can be used at once.")
@click.option("--api-only", is_flag=True, help="Serve neither the web page nor the control plane.")
@click.option("--ready-json", is_flag=True, help="Print one line of JSON when ready, and nothing else.")
@click.option("--until-stdin-closes", is_flag=True, help="End when standard input ends, as when the parent dies.")
@_switches
def serve(  # noqa: PLR0913 - the options of a command, by keyword
    *,
    port: int,
    database: str | None,
    key: str | None,
    quick: bool,
    api_only: bool,
    ready_json: bool,
    until_stdin_closes: bool,
    **switches: Any,  # noqa: ANN401 - switches of any type
) -> None:
    """Serve until interrupted."""
    try:
        options = Options().quick() if quick else Options()
        options = options.changed({name: value for name, value in switches.items() if value is not None})
        server = SandboxServer(
            options=options, database=memory_or_file(database), port=port, api_key=key, api_only=api_only
        )
    except (BadOptionError, UnusableDatabaseError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        message = f"The sandbox cannot listen on port {port}: {error.strerror}. Choose another with --port."
        raise click.ClickException(message) from error
    ended = threading.Event()
    _end_on_signals(ended)
    collect_garbage_rarely()
    with server:
        if ready_json:
            token = None if api_only else server.token
            ready = {"url": server.url, "api_key": server.api_key, "token": token, "database": database}
            click.echo(json.dumps(ready))
        else:
            click.echo(_welcome(server, database, has_page=not api_only))
        sys.stdout.flush()
        if until_stdin_closes:
            threading.Thread(target=_wait_for_end_of_input, args=(ended,), daemon=True).start()
        ended.wait()


@main.command()
@click.option(
    "--database", metavar="PATH", required=True, callback=_path, help="File that a sandbox kept its account in."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, database: str, as_json: bool) -> None:
    """Show lists, counts, fields and jobs of a sandbox's database, without changing it."""
    try:
        store = Store(Path(database).expanduser(), read_only=True)
    except UnusableDatabaseError as error:
        raise click.ClickException(str(error)) from error
    found = summary.of(store)
    store.close()
    click.echo(json.dumps(found, indent=2) if as_json else summary.as_text(found))


@main.command()
def coverage() -> None:
    """Say what the sandbox emulates of SendGrid and what it does not."""
    click.echo(coverage_facts.as_text())


def _welcome(server: SandboxServer, database: str | None, *, has_page: bool) -> str:
    # The first address is that of the API, for programs that read it.
    page = ["", "Look at it in a browser, by this link only:", f"  {link(server.url, server.token)}"]
    return "\n".join(
        (
            f"The SendGrid sandbox listens on {server.url} (its API).",
            f"Its account is kept in {database or 'memory'}.",
            *(page if has_page else []),
            "",
            "Use it with target-sendgrid:",
            f"  export TARGET_SENDGRID_API_URL={server.url}",
            f"  export TARGET_SENDGRID_API_KEY={server.api_key}",
            "",
            "Stop it with Ctrl-C.",
        )
    )


def _end_on_signals(ended: threading.Event) -> None:
    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _wait_for_end_of_input(ended: threading.Event) -> None:
    # Unbuffered: a buffered read would hold a lock that the interpreter needs at exit.
    while os.read(sys.stdin.fileno(), _READ_BYTES):
        continue
    ended.set()
