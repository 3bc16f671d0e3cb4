"""Plot how the time of a training iteration, and its memory, grow with the sizes of the workload.

    python benchmarks/curves.py --target cpu,torch --out docs/performance

Each point is measured in a new process: the median time of some iterations after warm-up, and the peak memory
of the process minus its memory after all imports.  The numbers and the plots are written to the same folder;
`--replot` draws the plots again from its curves.json.  A point that needs more memory than is free is left
out, and so are the larger points of its curve.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from peers import WARM_UP, default_threads, machine, peak_memory, quiet_environment, restrict
from workload import SPEC, Workload

from rnnspec.runtime.targets import RECORDS, TARGETS, Target

OUT = SPEC.parents[1] / "docs" / "performance"
RULE_REVERSAL = SPEC.with_name("rule_reversal.yaml")

#: Iterations to time, and seconds after which no further iteration starts.
REPEATS, PATIENCE = 3, 60.0


@dataclass(frozen=True)
class Point:
    """One measurement.  curve, x: its place in a plot.  evaluate: sequences to evaluate, 0 for training."""

    curve: str
    x: float
    spec: str
    settings: tuple[str, ...]
    target: Target
    threads: int
    evaluate: int = 0


@dataclass(frozen=True)
class Curve:
    """A plot.  label: of the x axis.  linear: whether to draw a thin line of proportionality to x."""

    name: str
    title: str
    label: str
    linear: bool = True


CURVES = (
    Curve("networks", "20 sequences, 700 steps, 50 units", "networks"),
    Curve("steps", "100 networks, 20 sequences, 50 units", "steps in a sequence"),
    Curve("units", "10 networks, 20 sequences, 700 steps", "units", linear=False),
    Curve("sequences", "10 networks, 700 steps, 50 units", "sequences"),
    Curve("threads", "100 networks, 20 sequences, 700 steps, 50 units", "threads", linear=False),
)


def plan(target: Target, threads: int, *, quick: bool) -> Iterator[Point]:
    """Yield the points of a target, each curve from small to large."""
    base = Workload(networks=10 if quick else 100)
    few = replace(base, networks=2 if quick else 10)

    def point(curve: str, x: float, work: Workload, used: int = threads) -> Point:
        return Point(curve, x, str(SPEC), tuple(work.settings()), target, used)

    for networks in (1, 3, 10) if quick else (1, 10, 100, 1000):
        yield point("networks", networks, replace(base, networks=networks))
    for factor in (0.25, 1) if quick else (0.25, 0.5, 1, 2, 4, 8):
        work = base.scaled(factor)
        yield point("steps", sum(work.steps), work)
    for units in (20, 50, 100) if quick else (20, 50, 100, 200, 512, 1024):
        yield point("units", units, few.with_units(units))
    for sequences in (1, 20) if quick else (1, 4, 20, 100, 500):
        yield point("sequences", sequences, replace(few, sequences=sequences))
    for used in sorted({threads, *(2**i for i in range(threads.bit_length()))}):
        yield point("threads", used, base, used)
    # Shown in the table only: other work that users wait for.
    for spec in (SPEC, RULE_REVERSAL):
        settings = (f"training.networks={base.networks}",)
        yield Point(f"{spec.stem}, training", base.networks, str(spec), settings, target, threads)
        yield Point(
            f"{spec.stem}, evaluation of 200", base.networks, str(spec), settings, target, threads, 200
        )


def measure(point: Point) -> dict[str, Any]:
    """Measure a point, in this process."""
    restrict(point.threads)
    import torch

    torch.set_num_threads(point.threads)
    import rnnspec
    from rnnspec.analysis.evaluation import evaluate_simulation
    from rnnspec.runtime.cost import iteration_cost
    from rnnspec.training.bench import Trainee

    specification = rnnspec.load(point.spec, settings=list(point.settings))
    cost = iteration_cost(specification.program)
    _use_optimizer()
    before = peak_memory()
    simulation = rnnspec.compile(specification, target=point.target)
    trainee = Trainee(simulation)
    seconds: list[float] = []
    begun = time.perf_counter()
    for iteration in range(WARM_UP + REPEATS):
        start = time.perf_counter()
        if point.evaluate:
            evaluate_simulation(simulation, point.evaluate, iteration)
        else:
            trainee.iterate(iteration)
        seconds.append(time.perf_counter() - start)
        # Iterations of minutes need no warm-up.
        if time.perf_counter() - begun > PATIENCE:
            break
    timed = seconds[WARM_UP:] or seconds[-1:]
    found: dict[str, Any] = {"seconds": timed, "median": statistics.median(timed)}
    found["peak_bytes"] = peak_memory() - before
    if not point.evaluate:
        networks = specification.program.training.networks
        found["operations"] = networks * (cost.forward + cost.backward)
    return found


def _use_optimizer() -> None:
    """Update one weight: the modules that torch imports for it are not memory of the networks."""
    import torch

    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()


def needed_bytes(point: Point) -> int:
    """Return an estimate of the memory that a point needs, 0 if there is none."""
    import rnnspec

    if point.evaluate or RECORDS[point.target].prepare is not None:
        return 0
    return RECORDS[point.target].memory(rnnspec.load(point.spec, settings=list(point.settings)).program, 1)


def free_bytes() -> int:
    """Return the free memory in bytes, 0 if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 0)


def measure_all(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Measure points one after another, each in a new process."""
    rows: list[dict[str, Any]] = []
    failed: set[tuple[str, str]] = set()
    for point in points:
        row: dict[str, Any] = {"curve": point.curve, "x": point.x, "target": point.target}
        needed, free = needed_bytes(point), free_bytes()
        if (point.curve, point.target) in failed:
            continue
        if free and needed > 0.8 * free:
            row["failure"] = f"needs about {needed / 1e9:.1f} GB"
        else:
            # The process prints its result on the last line.
            words = [sys.executable, __file__, "--measure", json.dumps(asdict(point))]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                row |= json.loads(done.stdout.splitlines()[-1])
            else:
                row["failure"] = f"ended with code {done.returncode}"
        if "failure" in row:
            failed.add((point.curve, point.target))
        rows.append(row)
        shown = row.get("failure") or f"{row['median']:.3g} s, {row['peak_bytes'] / 1e9:.2f} GB"
        print(f"{point.target:<12} {point.curve} {point.x:g}: {shown}", file=sys.stderr, flush=True)
    return rows


def draw(result: dict[str, Any], out: Path) -> list[Path]:
    """Draw all plots and return their files."""
    import matplotlib

    matplotlib.use("Agg")
    # With a fixed salt, the same numbers give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "rnnspec", "font.size": 10, "svg.fonttype": "none"})
    rows = [row for row in result["rows"] if "failure" not in row]
    sizes = result["sizes"]
    files = []
    for curve in CURVES:
        own = [row for row in rows if row["curve"] == curve.name]
        title = sizes.get(curve.name, curve.title)
        if own:
            label = "seconds per training iteration"
            files.append(_plot(own, "median", 1.0, curve, title, label, out / f"{curve.name}.svg"))
        if own and curve.name == "networks":
            file = out / "memory.svg"
            files.append(_plot(own, "peak_bytes", 1e6, curve, title, "peak memory, MB", file))
    return files


def _plot(
    rows: Sequence[dict[str, Any]], key: str, unit: float, curve: Curve, title: str, label: str, file: Path
) -> Path:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    figure = Figure(figsize=(4.8, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({row["x"] for row in rows})
    for target, style in STYLES.items():
        own = sorted((row["x"], row[key] / unit) for row in rows if row["target"] == target)
        if not own:
            continue
        xs, ys = zip(*own, strict=True)
        axes.plot(xs, ys, **style, label=target, linewidth=1.6, markersize=5, clip_on=False)
        # The label at the end of the curve replaces a legend.
        axes.annotate(
            target, (xs[-1], ys[-1]), (6, 0), textcoords="offset points", va="center", color=style["color"]
        )
        if curve.linear and len(xs) > 1:
            last = ys[-1] * xs[0] / xs[-1]
            axes.plot([xs[0], xs[-1]], [last, ys[-1]], color="0.75", linewidth=0.8, zorder=0)
    axes.set_xticks(ticks, [f"{x:,g}" for x in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    if high < 30 * low:
        # With powers of ten alone, this axis would have at most one tick label.
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.set_xlabel(curve.label)
    axes.set_ylabel(label)
    axes.set_title(title, fontsize=9, color="0.35", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
    figure.savefig(file, metadata={"Date": None})
    return file


STYLES: dict[str, dict[str, str]] = {
    "cpu": {"color": "#0b6e4f", "marker": "o"},
    "torch": {"color": "#c8553d", "marker": "s"},
    "torchscript": {"color": "#4a5899", "marker": "^"},
}


def main(words: Sequence[str] | None = None) -> None:
    options = _options(words)
    if options.measure:
        point = json.loads(options.measure)
        print(json.dumps(measure(Point(**{**point, "settings": tuple(point["settings"])}))))
        return
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "curves.json"
    if not options.replot:
        threads = options.threads or default_threads()
        quiet_environment(threads)
        measurable = [target for target in TARGETS if target in STYLES]
        names = options.target.split(",") if options.target else measurable[:2]
        for name in names:
            if name not in measurable:
                raise SystemExit(f"'{name}' cannot be measured; choose from {', '.join(measurable)}")
        targets = [target for target in measurable if target in names]
        points = [point for target in targets for point in plan(target, threads, quick=options.quick)]
        if options.curve:
            points = [point for point in points if point.curve.startswith(tuple(options.curve.split(",")))]
        result = {"machine": machine(threads, ("torch", "numpy")), "quick": options.quick}
        result["sizes"] = QUICK_TITLES if options.quick else {}
        result["rows"] = measure_all(points)
        file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for drawn in draw(json.loads(file.read_text(encoding="utf-8")), out):
        print(drawn)


#: The titles of plots whose sizes are smaller with --quick.
QUICK_TITLES = {
    "steps": "10 networks, 20 sequences, 50 units",
    "units": "2 networks, 20 sequences, 700 steps",
    "sequences": "2 networks, 700 steps, 50 units",
    "threads": "10 networks, 20 sequences, 700 steps, 50 units",
}


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Plot the time of a training iteration, and its memory.")
    parser.add_argument("--target", metavar="A,B", help="of cpu, torch, torchscript; default: cpu,torch")
    parser.add_argument("--threads", type=int, metavar="N", help="the most threads; default: torch's choice")
    parser.add_argument("--curve", metavar="A,B", help="only curves whose names begin with A or B")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller points, in about a minute")
    parser.add_argument(
        "--out", default=str(OUT), metavar="DIR", help="the folder of the plots and curves.json"
    )
    parser.add_argument("--replot", action="store_true", help="draw the plots again from curves.json")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
