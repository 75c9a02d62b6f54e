"""Tells why a command failed and what to do next, and chooses its exit code."""

import traceback
from enum import IntEnum

import rich_click as click
from click.exceptions import Exit as ClickExit

from messaging.entrypoints.settings.settings import BadSettings


class Exit(IntEnum):
    FAILURE = 1
    USAGE = 2
    DEPENDENCY_DOWN = 3
    CONFIGURATION = 4
    INTERRUPTED = 130


class Failed(Exception):
    """A command cannot do what was asked. `next_step` is what to run or change now."""

    def __init__(self, why: str, *, next_step: str, code: Exit = Exit.FAILURE) -> None:
        super().__init__(why)
        self.next_step = next_step
        self.code = code


def exit_code_of(error: BaseException) -> int:
    """Tells the person on stderr what went wrong, and returns the exit code for the calling program. A defect keeps its
    traceback.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else Exit.FAILURE
        case ClickExit():
            return error.exit_code
        case click.ClickException():
            error.show()
            return error.exit_code
        case KeyboardInterrupt() | click.Abort():
            say("interrupted")
            return Exit.INTERRUPTED
        case BadSettings():
            return _bad_settings(error)
        case Failed():
            return _tell(str(error), error.next_step, error.code)
        case _:
            return _known_by_name(error)


def _bad_settings(error: BadSettings) -> int:
    lines = [f"  {problem.name} {problem.detail}".rstrip() for problem in error.problems]
    return _tell(
        "the environment cannot be used:\n" + "\n".join(lines),
        "`app config` lists every setting; `app dev` needs none.",
        Exit.CONFIGURATION,
    )


# Exceptions by name: importing their modules would make every command wait for libraries that it does not need.
_KNOWN: dict[str, tuple[str, Exit]] = {
    "StoreUnavailable": ("check APP_DATABASE_URL and run `app doctor`", Exit.DEPENDENCY_DOWN),
    "CannotDecrypt": ("set APP_MASTER_KEY to the key this database was first used with", Exit.CONFIGURATION),
    "CannotListen": ("stop what listens there, or choose another port with --port", Exit.DEPENDENCY_DOWN),
    "PortsInUse": ("stop what listens there, or choose other ports with --port-base", Exit.DEPENDENCY_DOWN),
    "ChildFailed": ("read the log above; `app doctor` checks a running platform", Exit.DEPENDENCY_DOWN),
    "CommandFailed": ("read the message above", Exit.FAILURE),
    "CallFailed": ("`app demo --keep-going` or `app dev` leaves the logs to read", Exit.FAILURE),
    "NotEnding": ("`app demo --keep-going`, then `app trace` a message", Exit.FAILURE),
    "NotAnExport": ("compare your file with src/messaging/entrypoints/lab/demo/data/orders.csv", Exit.FAILURE),
    "MeasurementFailed": ("run it again; if it stays so, `app dev` leaves the logs to read", Exit.FAILURE),
    "PostgresNotInstalled": ("run `make install`, or set APP_DATABASE_URL", Exit.DEPENDENCY_DOWN),
    "RedisNotInstalled": ("run `make install`, or set APP_REDIS_URL", Exit.DEPENDENCY_DOWN),
    "NoUnprivilegedAccount": ("run as an ordinary user", Exit.DEPENDENCY_DOWN),
    "StateInUse": ("stop the other one, or choose another --state-dir", Exit.FAILURE),
    "ExporterNotInstalled": ("pip install 'messaging[otlp]', or unset APP_OTLP_ENDPOINT", Exit.CONFIGURATION),
    "NoFreePort": ("choose ports with --port-base", Exit.FAILURE),
    "InsufficientPrivilegeError": (
        "give the login of APP_DATABASE_SYSTEM_URL beside that of APP_DATABASE_URL; docs/operations.md, Database",
        Exit.CONFIGURATION,
    ),
    "DomainError": ("see docs/problems/ for this code", Exit.FAILURE),
}


# Exceptions of libraries whose cause a person can mend.
_OF_LIBRARIES: frozenset[str] = frozenset({"InsufficientPrivilegeError"})


def _known_by_name(error: BaseException) -> int:
    for kind in type(error).__mro__:
        ours = kind.__module__.startswith("messaging.")
        if kind.__name__ in _KNOWN and ours != (kind.__name__ in _OF_LIBRARIES):
            next_step, code = _KNOWN[kind.__name__]
            return _tell("\n  ".join((f"{_code(error)}{error}", *_reasons(error))), next_step, code)
    say("".join(traceback.format_exception(error)).rstrip())
    return _tell("this is a bug", "report the traceback above", Exit.FAILURE)


def _code(error: BaseException) -> str:
    code = getattr(error, "code", None)
    return f"{code}: " if isinstance(code, str) else ""


def _reasons(error: BaseException) -> list[str]:
    """Every violation of a refusal, with its place in the request where that is known."""
    return [f"{it.pointer or '/'} {it.detail}" for it in getattr(error, "violations", ())]


def _tell(why: str, next_step: str, code: Exit) -> int:
    say(f"error: {why}")
    say(f"next: {next_step}")
    return code


def say(text: str) -> None:
    """Writes a line to stderr: stdout is for data."""
    click.echo(text, err=True)
