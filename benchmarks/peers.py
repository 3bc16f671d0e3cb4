"""The peers by name, and the processes in which they run."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from workload import SPEC, Workload

from rnnspec.runtime.targets import RECORDS, TARGETS, Target

#: The peers and their descriptions.
PEERS: dict[str, str] = {
    "torch": "plain torch loop, autograd",
    "torchscript": "the same, TorchScript",
    "compile": "the same, torch.compile over 20-step chunks",
    "jax": "JAX, lax.scan, jit",
    **{
        f"rnnspec-{target}": f"rnnspec, target {target}"
        for target in TARGETS
        if RECORDS[target].computes_on("cpu") and not RECORDS[target].oracle
    },
}

#: Not a peer: one product of large float32 matrices.
MATRIX = "matrix"

#: Iterations of warm-up, which are not timed.  TorchScript optimises code after its second execution.
WARM_UP = 3


class Peer(Protocol):
    def iterate(self, iteration: int) -> float:
        """Make one update on new trials and noise, wait for it, and return the mean loss."""
        ...


class RnnspecPeer:
    """rnnspec through its public API."""

    def __init__(self, workload: Workload, target: Target) -> None:
        import rnnspec
        from rnnspec.training.bench import Trainee

        self.simulation = rnnspec.compile(SPEC, settings=workload.settings(), target=target)
        self._trainee = Trainee(self.simulation)

    def iterate(self, iteration: int) -> float:
        return statistics.fmean(self._trainee.iterate(iteration))


class MatrixProduct:
    """The matrix rate of the machine; `iterate` returns seconds."""

    def iterate(self, iteration: int) -> float:
        import torch

        from rnnspec.training.bench import product_seconds

        return product_seconds(torch.device("cpu"))


def make_peer(name: str, workload: Workload) -> Peer:
    """Return a peer ready for its first iteration."""
    if name == MATRIX:
        return MatrixProduct()
    if name.startswith("rnnspec-"):
        (target,) = (target for target in TARGETS if name == f"rnnspec-{target}")
        return RnnspecPeer(workload, target)
    weights = workload.initial_weights()
    if name == "jax":
        from jax_peer import JaxPeer

        return JaxPeer(workload, weights)
    from torch_peers import CompiledPeer, ScriptedPeer, TorchPeer

    kinds = {"torch": TorchPeer, "torchscript": ScriptedPeer, "compile": CompiledPeer}
    return kinds[name](workload, weights)


def available() -> list[str]:
    """Return the names of the peers that are installed."""
    return [name for name in PEERS if name != "jax" or importlib.util.find_spec("jax")]


@dataclass
class Worker:
    """A peer in its own process: peers share no threads, caches or memory.

    start: seconds from the first import of its library to the end of its first iteration.  seconds: of each
    timed iteration.  memory: the peak memory of the process, in bytes.  failure: why it stopped, or None.
    """

    name: str
    workload: Workload
    threads: int
    start: float = 0.0
    seconds: list[float] = field(default_factory=list)
    memory: int = 0
    failure: str | None = None

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self.name, self.workload, self.threads), daemon=True
        )
        self._process.start()
        theirs.close()
        self._iteration = 0
        self.start = self._advance()
        for _ in range(1, WARM_UP):
            self._advance()

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def measure(self) -> None:
        """Time one more iteration, after an untimed one that brings the memory back into the caches."""
        self._advance()
        seconds = self._advance()
        if self.failure is None:
            self.seconds.append(seconds)

    def close(self) -> None:
        self._connection.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def _advance(self) -> float:
        if self.failure is not None:
            return 0.0
        try:
            self._connection.send(self._iteration)
            seconds, self.memory, self.failure = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(10)
            self.failure = f"its process ended with code {self._process.exitcode}"
            return 0.0
        self._iteration += 1
        return float(seconds)


def _work(connection: Connection, name: str, workload: Workload, threads: int) -> None:
    """Run the iterations whose numbers arrive; answer each with (seconds, peak memory, failure)."""
    restrict(threads)
    peer: Peer | None = None
    while True:
        try:
            iteration = connection.recv()
        except EOFError:
            return
        start = time.perf_counter()
        failure = None
        try:
            if peer is None:
                import torch

                torch.set_num_threads(threads)
                peer = make_peer(name, workload)
            result = peer.iterate(iteration)
        except Exception as error:
            traceback.print_exc()
            failure = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        seconds = time.perf_counter() - start
        if name == MATRIX and failure is None:
            seconds = result
        connection.send((seconds, peak_memory(), failure))


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    # Linux counts kibibytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def restrict(threads: int) -> None:
    """Restrict this process to `threads` processors, because some libraries use all that they may."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0), key=_sibling)
    if threads < len(allowed):
        os.sched_setaffinity(0, allowed[:threads])


def _sibling(processor: int) -> tuple[int, int]:
    """Return a sort key that takes one processor of every core before the second of any core."""
    path = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        siblings = processors(path.read_text())
    except OSError:
        siblings = [processor]
    return (siblings.index(processor), processor) if processor in siblings else (0, processor)


def processors(text: str) -> list[int]:
    """Return the numbers of a list as Linux writes it: `0-2,8`."""
    out: list[int] = []
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        out += range(int(low), int(high or low) + 1)
    return out


def quiet_environment(threads: int) -> None:
    """Set the environment variables that libraries read at import; child processes inherit them."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    # As rnnspec itself does: threads that spin while they wait would slow down the next peer.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")


def machine(threads: int, packages: Sequence[str] = ("torch", "jax", "jaxlib", "numpy")) -> dict[str, object]:
    """Return the processor, the number of threads, and the versions of packages."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import rnnspec

    versions = {"python": platform.python_version(), "rnnspec": rnnspec.__version__}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"processor": _processor(), "threads": threads, "versions": versions}


def _processor() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def default_threads() -> int:
    """Return the number of threads that torch uses by default."""
    import torch

    return torch.get_num_threads()
