"""The command line: runs the target, and turns its outcome into one sentence and an exit code."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TextIO

from target_sendgrid import redaction
from target_sendgrid.errors import Code, ConfigError, TargetSendGridError, TerminatedError, coded
from target_sendgrid.start import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from target_sendgrid.errors import Problem
    from target_sendgrid.target import TargetSendGrid

log = logging.getLogger("target-sendgrid")

_SIGNAL_EXIT = 128

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_LEVEL_VARIABLES = ("TARGET_SENDGRID_LOGLEVEL", "LOGLEVEL")
"""Variables that the SDK reads the log level from. The first one that is set counts."""

_HELP = "Send people from Singer messages on standard input to SendGrid lists, and write STATE to standard output."

_EXAMPLES = """
\b
Try it without an account, with a SendGrid that runs on your own machine:
  echo '{"api_url": "sandbox", "list_name": "Members",
         "field_mapping": {"email": "mail"}}' > config.json
  tap-x --config tap.json | target-sendgrid --config config.json

\b
Send to SendGrid: without api_url in the file, and with the key outside of it:
  export TARGET_SENDGRID_API_KEY=SG... TARGET_SENDGRID_DATA_PRIVACY_CONSENT=true
  tap-x --config tap.json | target-sendgrid --config config.json --config ENV

\b
Have a mapping suggested for the streams of a tap, to check and to put into meltano.yml:
  tap-x --config tap.json --discover | target-sendgrid --suggest-mapping

\b
Look before you send, with --check or, to have all records read, --dry-run:
  tap-x --config tap.json | target-sendgrid --check --config config.json

\b
Show all settings:
  target-sendgrid --about --format markdown

Each error ends with a code in brackets, which the page Troubleshooting of the docs explains.
"""
"""The end of the help. Paragraphs after a backspace keep their lines."""


class _Outcome(NamedTuple):
    """How the command has ended."""

    exit_code: int
    lines: Sequence[Problem]
    """What to log about it."""
    can_wait: bool = False
    """Whether an error has ended it and no signal, so that the process may go on reading what the tap writes."""


def main() -> None:
    """Run ``target-sendgrid``."""
    _forbid_core_dumps()
    # A run makes 100,000 objects a second and no cycles of them: looking for cycles would take a tenth of its time.
    gc.set_threshold(200_000, 50, 100)
    loading.load_sdk()
    from target_sendgrid.target import TargetSendGrid  # noqa: PLC0415 - it loads the SDK, unless that has been done

    gc.freeze()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # States are JSON, and so UTF-8, whatever the machine's locale is. They need a buffer: without one
        # (PYTHONUNBUFFERED), Python writes as much as the disk or the pipe takes at once and silently drops the rest.
        sys.stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the end
    redaction.install()
    try:
        try:
            outcome = _run(lambda: _command(TargetSendGrid))
        finally:
            _flush_or_drop(sys.stdout)
        # Logged only after the exception has been handled, since a log handler could print an exception in progress.
        for line in outcome.lines:
            log.error("%s", line, extra={"code": line.code})
    finally:
        _flush_or_drop(sys.stderr)  # last, since the log lines go there
        gc.freeze()  # looking through all that is left when Python ends would free nothing that anybody needs
    exit_code = outcome.exit_code
    if outcome.can_wait:
        exit_code = _drain_input(exit_code)
    _ignore_signals()  # a signal while Python shuts down would replace the exit code
    sys.exit(exit_code)


def _forbid_core_dumps() -> None:
    """Make sure that a crash of this process, or of the sandbox that it starts, leaves no file of its memory."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource  # noqa: PLC0415 - as said above

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _command(target: type[TargetSendGrid]) -> NoReturn:
    """Set up the log, and run the SDK's command line.

    Raises:
        ConfigError: A variable about logging can't be used.
    """
    name = next((name for name in _LEVEL_VARIABLES if os.environ.get(name)), None)
    if name is None:
        os.environ.pop("LOGLEVEL", None)  # the SDK takes an empty text for the name of a level
    elif not isinstance(logging.getLevelName(os.environ[name].upper()), int):
        message = f"The environment variable `{name}` is no log level. Use DEBUG, INFO, WARNING, ERROR or CRITICAL."
        raise ConfigError(message, code=Code.WRONG_LOGGING)
    try:
        cli = target.cli  # sets up the log
    except Exception:  # noqa: BLE001 - YAML and logging raise anything, and their texts quote the file
        log.disabled = False
        message = "The logging file that `SINGER_SDK_LOG_CONFIG` names can't be used. Check its YAML and its levels."
        raise ConfigError(message, code=Code.WRONG_LOGGING) from None
    redaction.quieten_libraries()
    cli.help, cli.epilog = _HELP, _EXAMPLES
    cli.main()


def _run(command: Callable[[], NoReturn]) -> _Outcome:
    """Run the command, which never returns."""
    try:
        command()
    except TargetSendGridError as error:
        return _Outcome(1, error.lines(), can_wait=not error.was_signalled)
    except TerminatedError as error:
        _drop(sys.stdout)  # a state that nobody takes would keep the process from ending
        next_step = "The next run resumes from the last state written."
        return _Outcome(_SIGNAL_EXIT + error.signal_number, [coded(f"{error} {next_step}", Code.STOPPED)])
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            raise
        return _Outcome(1, [_internal(error)])  # Python would print the code, which is a text
    except BaseException as error:  # noqa: BLE001 - the last boundary: a message of unknown origin may quote personal data
        can_wait = isinstance(error, Exception) and not isinstance(error.__context__, TerminatedError)
        return _Outcome(1, [_internal(error)], can_wait=can_wait)


def _internal(error: BaseException) -> Problem:
    place = f"{type(error).__name__} at {redaction.where(error.__traceback__)}"
    line = f"Internal error, {place}. Please report it; nothing of your data is in this line."
    return coded(line, Code.INTERNAL_ERROR)


def _drain_input(exit_code: int) -> int:
    """Read and drop what the tap still writes; a signal ends that at once. Return the exit code."""
    from target_sendgrid.clock import SystemClock  # noqa: PLC0415 - a run that succeeds does not need it
    from target_sendgrid.singer.drain import drain, input_to_drain  # noqa: PLC0415 - as above

    descriptor = input_to_drain(sys.argv[1:])
    if descriptor is None:
        return exit_code
    try:
        for number in _SIGNALS:
            signal.signal(number, _stop)
        drain(descriptor, SystemClock())
        _ignore_signals()
    except TerminatedError as error:
        return _SIGNAL_EXIT + error.signal_number
    return exit_code


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    _ignore_signals()
    raise TerminatedError(number)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _flush_or_drop(stream: TextIO | None) -> None:
    """Flush a stream, or drop what it holds: Python would fail to flush it at exit, and set an exit code of its own."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        _drop(stream)


def _drop(stream: TextIO | None) -> None:
    """Discard what a stream still holds and what is written to it later."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
