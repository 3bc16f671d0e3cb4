"""Measuring the speed of this machine with as many processes as train units.  Free of torch."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import threading
import time
from collections.abc import Callable, Sequence

from rnnspec.sweeps.pool import PYTHON, environment
from rnnspec.sweeps.probe import Answer, Job


def measure_all(
    jobs: Sequence[Job],
    processes: int,
    seconds: float,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Answer | None]:
    """Return the answers to jobs; None for those that were not begun within so many seconds.

    The first job is always measured.  progress: is called with the number of answers.
    """
    answers: list[Answer | None] = [None] * len(jobs)
    numbers = iter(range(len(jobs)))
    lock, until = threading.Lock(), time.monotonic() + seconds
    done = 0

    def work(probe: subprocess.Popen[bytes]) -> None:
        nonlocal done
        assert probe.stdin is not None
        assert probe.stdout is not None
        while True:
            with lock:
                number = next(numbers, None)
            if number is None or (number and time.monotonic() >= until):
                return
            try:
                pickle.dump(jobs[number], probe.stdin)
                probe.stdin.flush()
                answers[number] = pickle.load(probe.stdout)
            except (EOFError, OSError, pickle.UnpicklingError):
                answers[number] = "The process that measured it has ended."
                return
            with lock:
                done += 1
                progress(done)

    probes = [_start() for _ in range(min(processes, len(jobs)))]
    threads = [threading.Thread(target=work, args=(probe,), daemon=True) for probe in probes]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for probe in probes:
            _end(probe)
    return answers


def _start() -> subprocess.Popen[bytes]:
    words = [*PYTHON, "rnnspec.sweeps.probe"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())


def _end(probe: subprocess.Popen[bytes]) -> None:
    assert probe.stdin is not None
    assert probe.stdout is not None
    with contextlib.suppress(OSError):
        probe.stdin.close()
    probe.kill()
    probe.wait()
    probe.stdout.close()
