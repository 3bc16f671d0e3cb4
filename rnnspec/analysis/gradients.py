"""How the gradient fades on its way back through time, with skips and without."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.files import replace_file
from rnnspec.program.nodes import Program
from rnnspec.runs.gradients import EpochSpan, GradientCurve, GradientRow, append_gradients, read_gradients
from rnnspec.runs.layout import GRADIENTS, PICTURE
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.reference.engine import Reference
from rnnspec.runtime.schedule import Timetable
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.runtime.stages import stage_at

#: The iterations in which gradients are measured unless others are given.
ITERATIONS = (1, 10, 100, 1_000, 10_000)
#: Sequences of the batch that are used: the reference is slow.
_SEQUENCES = 8
#: The quantiles over networks that are reported at each step.
_QUANTILES = {"lowest": 0.0, "first": 0.25, "median": 0.5, "third": 0.75, "highest": 1.0}


def diagnose_gradients(simulation: Simulation, iteration: int) -> GradientRow:
    """Measure the gradient of the last answer with respect to the state at each time, in one iteration.

    |dL/dr(t)|: L is the error of the last epoch that has a target, such as the response; what a network has
    to remember for it is learned by this gradient alone.  The norm over units and over the first sequences of
    the batch, as quantiles over networks.  `training`: through the dynamics of that iteration, skips and
    coarsening included.  `plain`: through the true dynamics, for the same networks and trials.  Computed by
    the reference in float64, for the weights before the update.  iteration: the first is 1.
    """
    program = simulation.program
    annealing = stage_at(program, iteration - 1)
    edges = [skip.name for skip in program.skips]
    with torch.no_grad():
        weights = {name: value.double().cpu() for name, value in simulation.weights().items()}
    return GradientRow(
        iteration=iteration,
        betas=dict(zip(edges, annealing.stage.betas, strict=True)),
        theta=float(annealing.stage.theta),
        training=_curve(simulation, weights, iteration, annealing.stage),
        plain=_curve(simulation, weights, iteration, true_dynamics(program)),
    )


def _curve(
    simulation: Simulation, weights: Mapping[str, Tensor], iteration: int, stage: Stage
) -> GradientCurve:
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
    quantiles = together.nanquantile(torch.tensor(list(_QUANTILES.values()), dtype=torch.float64), dim=0)
    return GradientCurve(
        seconds=tuple(step * state for state in range(together.shape[1])),
        **{name: tuple(row.tolist()) for name, row in zip(_QUANTILES, quantiles, strict=True)},
        epochs=_epochs(program, tables[0], step),
    )


def _epochs(program: Program, table: Timetable, step: float) -> tuple[EpochSpan, ...]:
    """Return where each epoch of the first sequence starts and stops, in seconds."""
    names = [epoch.name for epoch in program.timeline.epochs]
    return tuple(
        EpochSpan(
            epoch="burn_in" if segment.epoch < 0 else names[segment.epoch],
            trial=segment.trial,
            start=step * segment.start,
            stop=step * segment.stop,
        )
        for segment in table.segments
    )


def save_diagnosis(folder: Path, row: GradientRow) -> str | None:
    """Add a measurement to a run folder and draw it; return why that failed, or None."""
    try:
        append_gradients(folder, row)
        plot_gradients(folder)
    except OSError as error:
        # Nothing of the training is lost with it.
        return f"{error.filename} could not be written: {error.strerror}."
    except RequestError as error:
        return error.reason
    return None


def plot_gradients(run: Path | str) -> Path:
    """Draw the measurements of a run folder, and return the file.

    Training does so where matplotlib is installed; a run that was trained elsewhere can be drawn later.
    Raises RequestError if there are no measurements, or no matplotlib, and OSError if the picture cannot be
    written.
    """
    folder = Path(run)
    if not (folder / GRADIENTS).exists():
        raise RequestError(
            f"{folder} has no {GRADIENTS}: its gradients were not measured.",
            "Train with --diagnose gradients.",
        )
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RequestError(
            f"{PICTURE} was not drawn: matplotlib is not installed; the numbers are in {GRADIENTS}.",
            "Install it, pip install matplotlib, or draw where it is: rnnspec.plot_gradients(run).",
        ) from None
    rows = read_gradients(folder)
    if not rows:
        raise RequestError(
            f"{folder / GRADIENTS} has nothing to draw: no iteration has been measured yet.",
            "Wait for the first, or train with --diagnose-at 1.",
        )
    try:
        picture = _picture(Figure, rows)
    except ValueError:
        # Curves of unequal lengths, or names that matplotlib takes for formulas.
        raise RequestError(
            f"{folder / GRADIENTS} is not what the training wrote.", "Restore it from a copy."
        ) from None
    replace_file(folder / PICTURE, picture)
    return folder / PICTURE


def _picture(figure_of: Any, rows: Sequence[GradientRow]) -> bytes:
    """Return an SVG with a panel for each iteration.  figure_of: matplotlib's Figure."""
    figure = figure_of(figsize=(7.0, 2.2 * len(rows) + 0.6), layout="constrained")
    grid: Any = figure.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)
    panels: Sequence[Any] = list(grid[:, 0])
    for axes, row in zip(panels, rows, strict=True):
        skips = any(beta < 1 for beta in row.betas.values()) or row.theta > 1
        _draw(axes, row.plain, "#c8553d", "without skips" if skips else "no skips in force")
        if skips:
            _draw(axes, row.training, "#0b6e4f", "as trained")
        axes.set_yscale("log")
        axes.set_title(f"iteration {row.iteration:,}", loc="left", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        for epoch in row.plain.epochs:
            axes.axvline(epoch.start, color="0.85", linewidth=0.7, zorder=0)
    for epoch in rows[0].plain.epochs:
        if epoch.trial <= 0 and epoch.stop > epoch.start:
            panels[0].annotate(
                epoch.epoch.replace("_", " "),
                (epoch.start, 1.0),
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


def _draw(axes: Any, curve: GradientCurve, colour: str, label: str) -> None:
    """Draw the median over networks and the range between the quartiles, without 0 on the log axis."""

    def positive(values: Sequence[float]) -> list[float]:
        return [value or math.nan for value in values]

    first, third = positive(curve.first), positive(curve.third)
    axes.plot(curve.seconds, positive(curve.median), color=colour, label=label, linewidth=1.2)
    axes.fill_between(curve.seconds, first, third, color=colour, alpha=0.2, linewidth=0)
