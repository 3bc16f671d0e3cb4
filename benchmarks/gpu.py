"""The target gpu on the GPU of this machine: first whether it is right, then how fast it is.

    python benchmarks/gpu.py --json gpu.json

Each result is written to the file at once; started again, the script goes on where it was stopped.  It is
meant to take less than ten minutes.  It exits with 1, and times nothing, if a check fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import peers
import torch
from workload import SPEC, Workload

from rnnspec.check.examine import load
from rnnspec.files import to_json, write_file
from rnnspec.program.nodes import Program
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.bench import WARM_UP, Trainee, finish

SPECS = SPEC.parent
#: One GPU, even where there are several.
DEVICE = torch.device("cuda:0")
#: Iterations that are timed; the median counts.
REPEATS = 7
#: The iteration of the paper's setting must not take longer than so many seconds on one Hopper GPU.
AIMS = {
    "delayed_go, 100 networks, train": 4e-3,
    "delayed_go, 100 networks, evaluate 200": 8e-3,
    "rule_reversal, 100 networks, train": 25e-3,
}
#: The first must take at most so many times as long as the second.
RATIOS = (
    ("delayed_go, 1000 networks, train, gpu", "delayed_go, 100 networks, train, gpu", 8.0),
    ("delayed_go, 100 networks, train, gpu", "delayed_go, 100 networks, train, compiled", 1 / 20),
    ("delayed_go, 100 networks, train, gpu", "delayed_go, 100 networks, train, torch", 1 / 20),
)


@dataclass(frozen=True)
class Task:
    """Something to do: a name, and what computes its result, which JSON can hold."""

    name: str
    work: Callable[[], Any]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", default="gpu.json", metavar="FILE", help="where results are, and are added")
    file = Path(parser.parse_args(words).json)
    if not torch.cuda.is_available():
        raise SystemExit("There is no GPU here: torch.cuda.is_available() is false.")
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    results["machine"] = machine()
    for stage in (checks, timings):
        for task in stage():
            if task.name not in results:
                print(f"{task.name} ..", file=sys.stderr, flush=True)
                results[task.name] = task.work()
                write_file(file, f"{to_json(results, indent=2)}\n".encode())
            print(f"{task.name}: {results[task.name]}", flush=True)
        if wrong := [name for name, value in results.items() if value is False]:
            raise SystemExit(f"wrong on this GPU: {', '.join(wrong)}")
    for name, aim in AIMS.items():
        median = results[f"{name}, gpu"]["median"]
        print(f"{name}: {1e3 * median:.2f} ms, aim {1e3 * aim:g} ms: {reached(median, aim)}")
    for one, other, aim in RATIOS:
        ratio = results[one]["median"] / results[other]["median"]
        print(f"{one}: {ratio:.3g} times the time of {other}, aim {aim:g}: {reached(ratio, aim)}")


def reached(value: float, aim: float) -> str:
    return "reached" if value <= aim else "missed"


def machine() -> dict[str, Any]:
    """Return what the results depend on."""
    from rnnspec.runtime.gpu.nvrtc import find_nvrtc

    properties = torch.cuda.get_device_properties(DEVICE)
    return {
        "gpu": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "compiler": str(find_nvrtc()),
        "torch": torch.__version__,
        "cuda of torch": torch.version.cuda,
    }


# --- is it right? ------------------------------------------------------------------------------------------


def checks() -> Iterator[Task]:
    """Yield comparisons with the reference on the CPU, each True or False."""
    for name, methods, step in (
        ("delayed_go", [], "50 ms"),
        ("delayed_go", ["dasc40"], "20 ms"),
        ("delayed_go", ["sctt40"], "20 ms"),
        ("rule_reversal", ["strategic"], "50 ms"),
    ):
        overlays = [str(SPECS / "methods" / f"{method}.yaml") for method in methods]
        program = load(SPECS / f"{name}.yaml", overlays, [f"network.dt={step}"]).program
        label = " ".join([name, *methods])
        yield Task(f"{label}: float64 is the reference", partial(agrees, program, torch.float64, 1e-8))
        yield Task(f"{label}: float32 is close", partial(agrees, program, torch.float32, 1e-3))
    program = load(SPECS / "delayed_go.yaml", (), ["network.dt=20 ms"]).program
    yield Task("the same bits again", partial(same_bits, program))
    yield Task("a network alone is that of an ensemble", partial(same_alone, program))
    yield Task("the noise is that of the reference", noise_agrees)
    if torch.cuda.device_count() > 1:
        yield Task("several GPUs give the bits of one", partial(same_on_all, program))


def batch(simulation: Simulation, **options: Any) -> dict[str, torch.Tensor]:
    """Return the results of a batch, and gradients."""
    simulation.zero_grad()
    outcome = simulation(purpose="train", iteration=3, record=True, **options)
    outcome.loss.sum().backward()
    found = {name: value.grad for name, value in simulation.named_parameters()}
    found |= {
        "loss": outcome.loss.detach(),
        "rates": outcome.rates.detach(),
        "performance": outcome.performance,
    }
    return {name: value.detach().double().cpu() for name, value in found.items() if value is not None}


def pair(program: Program, dtype: torch.dtype, networks: int = 2) -> tuple[Simulation, Simulation]:
    reference = Simulation(program, networks=networks, target="reference", dtype=torch.float64)
    gpu = Simulation(program, networks=networks, target="gpu", dtype=dtype, device=DEVICE)
    gpu.load_state_dict(reference.state_dict())
    return gpu, reference


def agrees(program: Program, dtype: torch.dtype, bound: float) -> bool:
    """Compare loss, rates and gradients; differences count in relation to the largest number of each."""
    gpu, reference = (batch(simulation, sequences=5) for simulation in pair(program, dtype))
    worst = 0.0
    for name, wanted in reference.items():
        scale = float(wanted.nan_to_num().abs().max()) or 1.0
        difference = (gpu[name] - wanted).nan_to_num().abs().max()
        worst = max(worst, float(difference) / scale)
        if not torch.equal(gpu[name].isnan(), wanted.isnan()):
            worst = float("inf")
    print(f"  largest relative difference {worst:.2g}", file=sys.stderr)
    return worst <= bound


def same_bits(program: Program) -> bool:
    simulation = Simulation(program, networks=20, target="gpu", device=DEVICE)
    first, second = batch(simulation), batch(simulation)
    return all(torch.equal(first[name].nan_to_num(), second[name].nan_to_num()) for name in first)


def same_alone(program: Program) -> bool:
    many = batch(Simulation(program, networks=20, target="gpu", device=DEVICE))
    alone = batch(Simulation(program, networks=1, first_network=7, target="gpu", device=DEVICE))
    return all(torch.equal(alone[n].nan_to_num(), many[n][7:8].nan_to_num()) for n in alone)


def same_on_all(program: Program) -> bool:
    """More networks than one GPU simulates at the same time."""
    one, all_of_them = (
        batch(Simulation(program, networks=400, target="gpu", device=device))
        for device in (DEVICE, torch.device("cuda"))
    )
    return all(torch.equal(one[name].nan_to_num(), all_of_them[name].nan_to_num()) for name in one)


def noise_agrees(sequences: int = 100) -> bool:
    """Units that do nothing but repeat their noise have the numbers of the reference."""
    settings = [
        *("network.dt=100 ms", "network.noise.scale=1", "network.activation=linear"),
        *("network.weights.w_rec=zeros", "network.weights.w_in=zeros", "network.weights.bias=zeros"),
    ]
    program = load(SPECS / "delayed_go.yaml", (), settings).program
    gpu, reference = (
        batch(simulation, sequences=sequences) for simulation in pair(program, torch.float64, 3)
    )
    return bool((gpu["rates"] - reference["rates"]).nan_to_num().abs().max() < 1e-10)


# --- how fast is it? ---------------------------------------------------------------------------------------


def timings() -> Iterator[Task]:
    """Yield measurements: the seconds of each repeat, their median, and the peak memory in bytes."""
    for name in ("delayed_go", "rule_reversal"):
        for networks in (1, 10, 100, 1000):
            for target in TARGETS if networks <= 100 else TARGETS[:1]:
                yield training(f"{name}, {networks} networks, train, {target}", name, networks, target)
    if importlib.util.find_spec("jax"):
        for networks in (1, 10, 100):
            yield Task(f"delayed_go, {networks} networks, train, jax", partial(by_jax, networks))
    for target in TARGETS:
        label = f"delayed_go, 100 networks, evaluate 200, {target}"
        yield Task(label, partial(evaluated, "delayed_go", 100, 200, target))
    for units in (20, 50, 100, 150, 256, 512, 1024):
        label = f"delayed_go, {units} units, 10 networks, train, gpu"
        yield training(label, "delayed_go", 10, "gpu", sizes(units))


#: What is timed beside each other, the fastest first.
TARGETS: tuple[Target, ...] = ("gpu", "compiled", "torch")


def sizes(units: int) -> list[str]:
    """Return the settings for a number of units: two fifths have inputs, two fifths are read out."""
    share = units * 2 // 5
    shares = {"input": share, "output": share, "auxiliary": units - 2 * share}
    return [f"network.populations.{name}.size={size}" for name, size in shares.items()]


def training(label: str, spec: str, networks: int, target: Target, settings: Sequence[str] = ()) -> Task:
    def work() -> dict[str, Any]:
        program = load(SPECS / f"{spec}.yaml", (), [f"training.networks={networks}", *settings]).program
        trainee = Trainee(Simulation(program, target=target, device=DEVICE))
        return timed(trainee.iterate)

    return Task(label, work)


def by_jax(networks: int) -> dict[str, Any]:
    """Time the JAX of `train_step.py`, on the device that JAX chooses; its losses are fetched every time."""
    import jax

    peer = peers.make_peer("jax", Workload(networks=networks))
    return {"device": str(jax.devices()[0]), **timed(peer.iterate)}


def evaluated(spec: str, networks: int, sequences: int, target: Target) -> dict[str, Any]:
    program = load(SPECS / f"{spec}.yaml", (), [f"training.networks={networks}"]).program
    simulation = Simulation(program, target=target, device=DEVICE)

    def evaluate(iteration: int) -> None:
        with torch.no_grad():
            simulation(purpose="evaluate", iteration=iteration, sequences=sequences)

    return timed(evaluate)


def timed(work: Callable[[int], Any]) -> dict[str, Any]:
    """Time repeats after a warm-up; the device has done its work at the end of each."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(DEVICE)
    seconds = []
    for iteration in range(WARM_UP + REPEATS):
        finish(DEVICE)
        start = time.perf_counter()
        work(iteration)
        finish(DEVICE)
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(DEVICE)
    timed_ones = seconds[WARM_UP:]
    return {"median": statistics.median(timed_ones), "seconds": timed_ones, "peak_bytes": peak}


if __name__ == "__main__":
    main()
