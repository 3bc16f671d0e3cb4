"""The messages and exit codes of commands that fail."""

from __future__ import annotations

import errno
import functools
import os
import platform
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import typer

from rnnspec.cli.console import complain, count, show_diagnostics
from rnnspec.diagnostics import Diagnostic, SpecError
from rnnspec.errors import missing_package
from rnnspec.training.interruption import EXIT_CODES, is_read

FINE, WRONG_SPEC, USAGE, BUG, DIVERGED, UNITS_FAILED = 0, 1, 2, 3, 4, 5
#: What a shell reports of a program that ends by SIGPIPE: nobody reads its output any more (`| head`).
UNREAD = 141
TERMINATED, INTERRUPTED = EXIT_CODES["terminated"], EXIT_CODES["interrupted"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Wrap a command so that every exception becomes a message and an exit code."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except (typer.Exit, typer.BadParameter):
            raise
        except KeyboardInterrupt as stop:
            name = getattr(stop, "signal", "SIGINT")
            if is_read():
                complain(stopped(name), *_notes(stop))
            raise typer.Exit(INTERRUPTED if name == "SIGINT" else TERMINATED) from None
        except Exception as error:
            raise typer.Exit(explain(error, _fewer(options))) from None

    return run


def stopped(name: str) -> str:
    """Return the message of a command that was ended by a signal."""
    return f"Stopped by {'Ctrl-C' if name == 'SIGINT' else name}; there is no result."


def code_of(diagnostics: Iterable[Diagnostic]) -> int:
    """Return the exit code for problems of specs; wrong usage if all are paths that cannot be read."""
    codes = {problem.code for problem in diagnostics if problem.severity == "error"}
    return FINE if not codes else USAGE if codes == {"RS001"} else WRONG_SPEC


def explain(error: Exception, fewer: str = "") -> int:
    """Print to stderr what went wrong and what to do; return the exit code.

    fewer: how the command can be made to need less memory.
    """
    error = missing_package(error) or error
    # By name, since importing the class may import torch.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, SpecError):
        show_diagnostics(error.diagnostics, sys.stderr)
        errors = [d for d in error.diagnostics if d.severity == "error"]
        more = f", and {error.more:,} more that are not shown" if error.more else ""
        complain(f"{count(len(errors), 'error')}{more}; 'rnnspec rule CODE' explains each.")
        return code_of(error.diagnostics)
    if "RequestError" in kinds:
        complain(*str(error).split("\n"), *_notes(error))
    elif isinstance(error, BrokenPipeError):
        # Python flushes stdout again when it exits, which must not fail a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    elif isinstance(error, OSError):
        complain(*_system(error), *_notes(error))
    elif isinstance(error, MemoryError) or _out_of_memory(error):
        complain("There is not enough memory.", fewer or "Use a machine with more memory.", *_notes(error))
    else:
        _bug(error)
        return BUG
    return USAGE


def _notes(error: BaseException) -> list[str]:
    """Return the notes on an error: what was done about it, and what the user can do."""
    return list(getattr(error, "__notes__", ()))


def _fewer(options: Mapping[str, Any]) -> str:
    """Return how a command with these options can be made to need less memory."""
    if "settings" in options:
        return "Use fewer networks or sequences: --set training.networks=10, --set training.batch=10."
    return "Use fewer sequences: --sequences 10." if "sequences" in options else ""


def _system(error: OSError) -> tuple[str, str]:
    """Return what the operating system refused, and what to do."""
    name = f"'{error.filename}'" if error.filename is not None else "a file"
    here = f"Check the spelling; relative paths start in {os.getcwd()}."
    match error:
        case FileNotFoundError():
            return f"There is no {name}.", here
        case PermissionError():
            return f"You have no permission for {name}.", "Change its permissions, or choose another folder."
        case IsADirectoryError():
            return f"{name} is a folder.", "Give a file."
        case NotADirectoryError() | FileExistsError():
            return f"{name} exists and is not a folder.", "Choose another name, or move it away."
    if error.errno in _FULL:
        return f"The disk is full: {name} could not be written.", "Make room, or choose a folder elsewhere."
    if error.errno == errno.EROFS:
        return f"{name} lies on a disk that is read-only.", "Choose another folder."
    if error.errno == errno.ENAMETOOLONG:
        return f"The name {name} is too long.", "Choose a shorter one."
    return (
        f"{name}: {error.strerror or error}.",
        "The operating system reports this error; try another folder or disk.",
    )


def _out_of_memory(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)


def _bug(error: Exception) -> None:
    from rnnspec import __version__

    complain("This is a bug in rnnspec, not a mistake of yours:")
    traceback.print_exception(error)
    complain(
        "Please report the lines above, with the command, the spec ('rnnspec resolve SPEC' prints it) and:",
        f"rnnspec {__version__}, Python {platform.python_version()}, {platform.platform()}",
    )
