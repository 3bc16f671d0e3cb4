"""Why skips help: how the gradient fades on its way back through time, with them and without.

gradients.jsonl   one line for each iteration that was looked at
gradients.svg     the same as a picture, where matplotlib is installed
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.files import append_line, finite, to_json, write_file
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.reference.engine import Reference
from rnnspec.runtime.schedule import Timetable
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.runtime.stages import stage_at

GRADIENTS, PICTURE = "gradients.jsonl", "gradients.svg"

#: The iterations that are looked at unless others are asked for.
ITERATIONS = (1, 10, 100, 1_000, 10_000)
#: Sequences of the batch that are looked at: the reference takes its time.
_SEQUENCES = 8
#: What is told of the networks at each step.
_SHARES = {"lowest": 0.0, "first": 0.25, "median": 0.5, "third": 0.75, "highest": 1.0}


def diagnose_gradients(simulation: Simulation, iteration: int) -> dict[str, object]:
    """Return how much the last answer depends on the state at each time, in one iteration of training.

    |dL/dr(t)|: L is the error of the last epoch that wants something, such as the response: what a network
    has to remember for it is learned by this gradient alone.  The norm over units, summed over the first
    sequences of the batch in quadrature, as quantiles over networks.  `training`: in the stage of that
    iteration, skips and coarsening included.  `plain`: of the same networks on the same trials with the true
    dynamics.  Computed by the reference in float64, for the weights before the update.  iteration: counted
    from 1.
    """
    program = simulation.program
    annealing = stage_at(program, iteration - 1)
    edges = [skip.name for skip in program.skips]
    with torch.no_grad():
        weights = {name: value.double().cpu() for name, value in simulation.weights().items()}
    return {
        "iteration": iteration,
        "betas": dict(zip(edges, annealing.stage.betas, strict=True)),
        "theta": float(annealing.stage.theta),
        "training": _fading(simulation, weights, iteration, annealing.stage),
        "plain": _fading(simulation, weights, iteration, true_dynamics(program)),
    }


def _fading(
    simulation: Simulation, weights: Mapping[str, Tensor], iteration: int, stage: Stage
) -> dict[str, object]:
    program = simulation.program
    batch = Batch(
        min(program.training.batch, _SEQUENCES),
        simulation.seed,
        iteration - 1,
        "train",
        stage,
        simulation.first_network,
    )
    norms, tables = Reference(program).state_gradients(weights, batch)
    together = norms.square().nansum(1).sqrt()
    step = float(program.network.dt * stage.theta)
    shares = torch.tensor(list(_SHARES.values()), dtype=torch.float64)
    told = together.nanquantile(shares, dim=0)
    return {
        "seconds": [finite(step * state) for state in range(together.shape[1])],
        **{name: [finite(v) for v in row.tolist()] for name, row in zip(_SHARES, told, strict=True)},
        "epochs": _epochs(program, tables[0], step),
    }


def _epochs(program: Program, table: Timetable, step: float) -> list[dict[str, object]]:
    """Return where each epoch of the first sequence begins and ends, in seconds."""
    names = [epoch.name for epoch in program.timeline.epochs]
    return [
        {
            "epoch": "burn_in" if segment.epoch < 0 else names[segment.epoch],
            "trial": segment.trial,
            "start": finite(step * segment.start),
            "stop": finite(step * segment.stop),
        }
        for segment in table.segments
    ]


def keep_diagnosis(folder: Path, row: Mapping[str, object]) -> str | None:
    """Add what was found to a run folder, and draw it; return why that could not be done, or None."""
    try:
        append_line(folder / GRADIENTS, to_json(row))
        plot_gradients(folder)
    except OSError as error:
        # Nothing of the training is lost with it.
        return f"{error.filename} could not be written: {error.strerror}."
    except RequestError as error:
        return error.reason
    return None


def forget_diagnoses(folder: Path, completed: int) -> None:
    """Take back what was found in iterations that will be made again."""
    file = folder / GRADIENTS
    # Training needs none of it.
    with contextlib.suppress(OSError, RequestError):
        kept = [row for row in _rows(file) if row["iteration"] <= completed]
        write_file(file, "".join(f"{to_json(row)}\n" for row in kept).encode())


def plot_gradients(run: Path | str) -> Path:
    """Draw all that was found in a run folder, and return the file.

    Training does so where matplotlib is installed; a run that was trained elsewhere can be drawn later.
    Raises RequestError if there is nothing to draw, or nothing to draw it with, and OSError if the picture
    cannot be written.
    """
    folder = Path(run)
    if not (folder / GRADIENTS).is_file():
        raise RequestError(
            f"{folder} has no {GRADIENTS}: its gradients were not looked at.",
            "Train with --diagnose gradients.",
        )
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RequestError(
            f"{PICTURE} was not drawn: matplotlib is not installed; the numbers are in {GRADIENTS}.",
            "Install it, pip install matplotlib, or draw where it is: rnnspec.plot_gradients(run).",
        ) from None
    rows = _rows(folder / GRADIENTS)
    if not rows:
        raise RequestError(
            f"{folder / GRADIENTS} has nothing to draw: no iteration has been looked at yet.",
            "Wait for the first, or train with --diagnose-at 1.",
        )
    try:
        picture = _picture(Figure, rows)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise RequestError(
            f"{folder / GRADIENTS} is not what the training wrote.", "Restore it from a copy."
        ) from None
    write_file(folder / PICTURE, picture)
    return folder / PICTURE


def _picture(figure_of: Any, rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return an SVG with a panel for each iteration.  figure_of: matplotlib's Figure."""
    figure = figure_of(figsize=(7.0, 2.2 * len(rows) + 0.6), layout="constrained")
    grid: Any = figure.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)
    panels: Sequence[Any] = list(grid[:, 0])
    for axes, row in zip(panels, rows, strict=True):
        skips = any(beta < 1 for beta in row["betas"].values()) or row["theta"] > 1
        _curve(axes, row["plain"], "#c8553d", "without skips" if skips else "no skips in force")
        if skips:
            _curve(axes, row["training"], "#0b6e4f", "as trained")
        axes.set_yscale("log")
        axes.set_title(f"iteration {row['iteration']:,}", loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        for epoch in row["plain"]["epochs"]:
            axes.axvline(epoch["start"], color="0.85", linewidth=0.7, zorder=0)
    for epoch in rows[0]["plain"]["epochs"]:
        if epoch["trial"] <= 0 and epoch["stop"] > epoch["start"]:
            panels[0].annotate(
                epoch["epoch"].replace("_", " "),
                (epoch["start"], 1.0),
                (2, -2),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                va="top",
                fontsize=7,
                color="0.45",
            )
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    panels[-1].set_xlabel("seconds from the start of the sequence")
    figure.supylabel("|dL/dr(t)| of the last answer, median and quartiles over networks", fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _rows(file: Path) -> list[dict[str, Any]]:
    """Return the lines that are whole: the last one may have been cut off."""
    rows = []
    for line in file.read_bytes().splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, dict) and type(row.get("iteration")) is int:
                rows.append(row)
    return rows


def _curve(axes: Any, found: Mapping[str, Any], colour: str, label: str) -> None:
    """Draw the median over networks and what lies between the quartiles; what is 0 has no logarithm."""
    seconds, curves = found["seconds"], {}
    for name in ("first", "median", "third"):
        curves[name] = [value if value else math.nan for value in found[name]]
    axes.plot(seconds, curves["median"], color=colour, label=label, linewidth=1.2)
    axes.fill_between(seconds, curves["first"], curves["third"], color=colour, alpha=0.2, linewidth=0)
