"""A process that measures how fast programs are trained here: jobs on its input, times on its output.

Several of them at once measure what units that are trained side by side take.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from fractions import Fraction

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.targets import Target

#: Iterations that are not timed, and seconds after which no further one is.
WARM_UP, ENOUGH = 1, 0.5
#: Networks that are measured on a processor.
FEW = 10
#: Iterations that are timed at most.
MOST = 5


@dataclass(frozen=True)
class Job:
    """What to measure: iterations of a program at each coarsening factor, and an evaluation.

    networks: of the ensemble.  On a processor, fewer are measured: the time is in proportion to their number.
    """

    program: Program
    networks: int
    thetas: tuple[Fraction, ...]
    target: Target | None
    device: str
    dtype: str
    threads: int


@dataclass(frozen=True)
class Times:
    """What was measured: seconds of an iteration at each coarsening factor, and of an evaluation.

    networks: so many were measured.
    start: seconds to get the kernel, compiled or from the cache.  memory: most bytes that the process had.
    """

    networks: int
    iteration: dict[Fraction, float]
    evaluation: float
    start: float
    memory: int


#: What a probe answers: times, or why there are none.
Answer = Times | str


def measure(job: Job) -> Times:
    """Time a program.  Raises RequestError if it cannot be trained here."""
    import torch

    from rnnspec.analysis.evaluation import evaluate_simulation
    from rnnspec.runtime.batch import Stage
    from rnnspec.runtime.device import DTYPES, check_device
    from rnnspec.runtime.simulation import Simulation
    from rnnspec.runtime.stages import stage_at
    from rnnspec.training.bench import finish
    from rnnspec.training.updater import Updater

    torch.set_num_threads(job.threads)
    device, program = check_device(job.device, job.target), job.program
    networks = min(job.networks, FEW) if device.type == "cpu" else job.networks
    begun = time.perf_counter()
    simulation = Simulation(
        program, networks=networks, target=job.target, dtype=DTYPES[job.dtype], device=device
    )
    start = time.perf_counter() - begun
    updater, betas = Updater(simulation), stage_at(program, 0).stage.betas
    completed = 0

    def iterate(theta: Fraction) -> float:
        nonlocal completed
        begun = time.perf_counter()
        outcome = simulation(
            program.training.batch, purpose="train", iteration=completed, stage=Stage(theta, betas)
        )
        completed += 1
        updater.update(outcome.loss, completed)
        finish(device)
        return time.perf_counter() - begun

    iteration = {}
    for theta in job.thetas:
        for _ in range(WARM_UP):
            iterate(theta)
        seconds: list[float] = []
        while not seconds or (len(seconds) < MOST and sum(seconds) < ENOUGH):
            seconds.append(iterate(theta))
        iteration[theta] = statistics.median(seconds)
    evaluation = 0.0
    if program.training.evaluate_every:
        begun = time.perf_counter()
        evaluate_simulation(simulation, program.training.evaluate_batch, completed)
        finish(device)
        evaluation = time.perf_counter() - begun
    return Times(networks, iteration, evaluation, start, _most_memory())


def _most_memory() -> int:
    """Return the most bytes of memory that this process has had; 0 if the system does not say."""
    with contextlib.suppress(ImportError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return 0


def main() -> None:
    """Measure the jobs on the standard input until it ends."""
    outgoing = os.fdopen(os.dup(1), "wb")
    # Whatever else is printed here goes to stderr, and not between the answers.
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError):
        while True:
            job = pickle.load(sys.stdin.buffer)
            try:
                answer: Answer = measure(job)
            except RequestError as error:
                answer = str(error)
            except MemoryError:
                answer = "There is not enough memory."
            pickle.dump(answer, outgoing)
            outgoing.flush()


if __name__ == "__main__":
    # The classes of what is read and written are those of the module with its whole name.
    from rnnspec.sweeps import probe

    probe.main()
