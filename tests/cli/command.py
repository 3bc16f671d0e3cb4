"""The command line, called in this process or in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from typer.testing import CliRunner

from rnnspec.cli.main import app

#: The command, which gives an iteration more time to end after a signal: the machine may have other work.
PROGRAM = [
    sys.executable,
    "-c",
    "import rnnspec.training.interruption as interruption; interruption.GRACE = 300.0\n"
    "from rnnspec.cli.main import main; main()",
]
ROOT = Path(__file__).parents[2]
#: Seconds after which a process that does not end has failed its test: far more than any takes.
LIMIT = 200


class Child(subprocess.Popen[Any]):
    """A process that is killed if its test fails, so that no test waits forever."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


def rnnspec(*words: object) -> Answer:
    """Run a command in this process."""
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="rnnspec")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def start(*words: object, **environment: str) -> Child:
    """Start a command in a process of its own."""
    return Child(
        [*PROGRAM, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def process(*words: object, **environment: str) -> Answer:
    """Run a command in a process of its own."""
    with start(*words, **environment) as child:
        out, err = child.communicate(timeout=LIMIT)
        return Answer(child.returncode, out, err)
