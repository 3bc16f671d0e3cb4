"""A Python that has imported rnnspec and torch, which takes seconds: it runs scripts in forks of itself.

`Child` in `command.py` starts it, and sends each script with its arguments, environment, folder and streams.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
from typing import NoReturn

#: Bytes of a request: a script, its arguments and an environment.
LARGEST = 1 << 20


def serve(client: socket.socket) -> None:
    """Run scripts until the client has gone."""
    while True:
        request, streams, _, _ = socket.recv_fds(client, LARGEST, 3)
        if not request:
            return
        between = os.fork()
        if between == 0:
            script = os.fork()
            if script == 0:
                client.close()
                run(streams, **json.loads(request))
            client.send(str(script).encode())
            os._exit(0)
        # The process in between is gone: the client, a subreaper, is the parent of the script from here on.
        os.waitpid(between, 0)
        client.send(b"!")
        for stream in streams:
            os.close(stream)


def run(
    streams: list[int], *, script: str, arguments: list[str], environment: dict[str, str], folder: str
) -> NoReturn:
    """Do in this process what `python -c SCRIPT ARGUMENTS` does in a new one."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = _writer(1, by_line=os.isatty(1))
    sys.stderr = _writer(2, by_line=True, errors="backslashreplace")
    sys.argv = ["-c", *arguments]
    status = 1
    try:
        exec(compile(script, "<string>", "exec"), {"__name__": "__main__"})
        status = 0
    except SystemExit as raised:
        status = raised.code if isinstance(raised.code, int) else int(raised.code is not None)
        if isinstance(raised.code, str):
            print(raised.code, file=sys.stderr)
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    end(status)


def _writer(number: int, *, by_line: bool, errors: str = "strict") -> io.TextIOWrapper:
    """Return a stream as Python opens it at its start, with the buffers that users have."""
    file = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    encoding = os.environ.get("PYTHONIOENCODING")
    return io.TextIOWrapper(file, encoding, errors, line_buffering=by_line)


def end(status: int) -> NoReturn:
    """Do what Python does at its end, except to clear the memory: that takes a second."""
    for step in (getattr(threading, "_shutdown"), getattr(atexit, "_run_exitfuncs")):  # noqa: B009
        step()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = 120
    os._exit(status)


def import_all() -> None:
    package = importlib.import_module("rnnspec")
    for module in pkgutil.walk_packages(package.__path__, "rnnspec."):
        with contextlib.suppress(ImportError):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


if __name__ == "__main__":
    import_all()
    # A collection would write to all memory, and each fork would copy it.
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
