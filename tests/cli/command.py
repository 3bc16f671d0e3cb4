"""The command line, called in this process or in a process of its own."""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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


#: What an interpreter reads when it starts, and torch when it is imported.
_READ_AT_START = ("PYTHON", "OMP_", "MKL_", "LD_")


class Child(subprocess.Popen[Any]):
    """A process that is killed if its test fails, so that no test waits forever.

    `python -c` takes three seconds to import torch.  On Linux, a script that asks nothing special of a new
    interpreter runs in a fork of one that has imported it (`warm.py`), and is a child of this process too.
    """

    def _execute_child(self, *given: Any) -> None:
        new: Any = super()
        call = inspect.signature(new._execute_child).bind(*given).arguments
        words = [*map(os.fspath, call["args"])]
        environment = dict(os.environ if call["env"] is None else call["env"])
        if (
            sys.platform != "linux"
            or words[:2] != [sys.executable, "-c"]
            or call["preexec_fn"]
            or _read_at_start(environment) != _read_at_start(WARM)
        ):
            new._execute_child(*given)
            return
        pipes = [call[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        streams = [number if pipe == -1 else pipe for number, pipe in enumerate(pipes)]
        self.pid = _fork(words[2:], environment, call["cwd"] or os.getcwd(), streams)
        self._child_created = True
        new._close_pipe_fds(*(call[name] for name in _PIPES))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)


#: The streams of a child, and the ends of their pipes that this process keeps.
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
#: The environment of the interpreter from which others are forked.
WARM = {**os.environ, "PYTHONPATH": str(ROOT)}
_SET_CHILD_SUBREAPER = 36


def _read_at_start(environment: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START) and name != "PYTHONIOENCODING"
    }


@lru_cache(maxsize=1)
def _warm() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return the interpreter from which others are forked, and the connection to it."""
    # A process whose parent has ended gets this one as its parent.
    assert ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = Path(__file__).with_name("warm.py")
    words = [sys.executable, str(script), str(there.fileno())]
    process = subprocess.Popen(words, pass_fds=[there.fileno()], env=WARM)
    there.close()
    return here, process


def _fork(words: list[str], environment: dict[str, str], folder: str, streams: list[int]) -> int:
    """Run a script with its arguments in a fork of the warm interpreter; return the process."""
    request = {"script": words[0], "arguments": words[1:], "environment": environment, "folder": folder}
    connection, _ = _warm()
    socket.send_fds(connection, [json.dumps(request).encode()], streams)
    process = int(connection.recv(64))
    assert connection.recv(64) == b"!"
    return process


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


def run_process(words: Sequence[str], **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a process to its end, as `subprocess.run` does."""
    with Child(words, **options) as child:
        out, err = child.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(words, child.returncode, out, err)


def process(*words: object, **environment: str) -> Answer:
    """Run a command in a process of its own."""
    with start(*words, **environment) as child:
        out, err = child.communicate(timeout=LIMIT)
        return Answer(child.returncode, out, err)
