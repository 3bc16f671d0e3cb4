"""`rnnspec evaluate`: measure the performance of the networks of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnspec.cli.console import count, note
from rnnspec.cli.options import (
    AtIteration,
    ChangeSet,
    ChangeWith,
    ConditionGrid,
    Device,
    Json,
    RunFolder,
    TargetName,
    TrialSeed,
    open_stored,
)


def command(
    run: RunFolder,
    sequences: Annotated[
        int | None,
        typer.Option(
            "--sequences",
            metavar="B",
            min=1,
            help="Number of sequences; default: as in the evaluations of the training.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option(
            "--trials",
            metavar="FILE.csv",
            help="Also write one row for each trial and network.",
            show_default=False,
        ),
    ] = None,
    overlays: ChangeWith = None,
    changes: ChangeSet = None,
    conditions: ConditionGrid = None,
    trial_seed: TrialSeed = None,
    iteration: AtIteration = None,
    target: TargetName = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure the performance of the networks of a run.

    Prints the performance of each network on new trials, overall and in each phase. The trials differ from
    those of the training, and are the same in every evaluation. The networks run with their true dynamics
    (without skips and coarsening), with noise, and without jitter. The table of --trials holds the random
    draws, the values read from the outputs, and the performance; networks, sequences and trials are numbered
    from 0. Below the table stands what guessing scores on such trials: untrained networks, the best constant
    outputs, and the answers of other trials.

    --with and --set change the spec of the run: other durations, stimuli or noise, connections that are
    removed, channels with frozen weights that are added. Sizes, masks and signs stay those of the run.

    \b
    Example:
      rnnspec evaluate runs/go-1a2b3c4d --sequences 1000 --trials trials.csv
      rnnspec evaluate runs/go-1a2b3c4d --set network.noise=none
      rnnspec evaluate runs/go-1a2b3c4d --conditions "direction=[0, pi/2, pi]"
    """
    from rnnspec.cli.display.charts import UNSCORED, score
    from rnnspec.cli.display.conditions import asked_as_dict, condition_lines
    from rnnspec.cli.display.guessing import describe_guessing
    from rnnspec.files import check_output, to_json, write_file

    table = None if trials is None else check_output(trials, ".csv")
    stored = open_stored(run, target, device, overlays, changes, conditions, trial_seed, iteration)

    from rnnspec.analysis.evaluate import evaluate
    from rnnspec.analysis.evaluation import is_scored
    from rnnspec.analysis.guessing.levels import measure_guessing
    from rnnspec.analysis.tables import evaluation_summary, trial_table

    evaluation = evaluate(stored, sequences=sequences)
    if table is not None:
        write_file(table, trial_table(stored.simulation, evaluation).encode())
        note(f"wrote {trials}")
    summary = evaluation_summary(stored.simulation, evaluation, stored.diverged)
    guessing = measure_guessing(stored.simulation.program)
    if json:
        levels = guessing and {name: level.as_dict() for name, level in guessing.by_name().items()}
        asked = asked_as_dict(evaluation)
        print(to_json({"run": run, **summary.as_dict(), "guessing": levels, **asked}, indent=2))
        return
    phases = list(evaluation.phases)
    print(f"{run}: {count(evaluation.sequences, 'sequence')}, true dynamics")
    for change in evaluation.changes:
        print(f"changed: {change}")
    if not is_scored(stored.simulation.program):
        print(f"performance  {UNSCORED}")
        return
    print("  ".join(["network", "performance", *phases]))
    for row in summary.rows:
        cells = [f"{row.network:>7}", f"{score(row.performance):>11}"]
        cells += [f"{score(row.phases[phase]):>{len(phase)}}" for phase in phases]
        print("  ".join(cells) + ("  diverged" if row.diverged else ""))
    cells = [f"{'mean':>7}", f"{score(summary.mean):>11}"]
    cells += [f"{score(summary.phase_means[phase]):>{len(phase)}}" for phase in phases]
    print("  ".join(cells))
    for line in condition_lines(evaluation):
        print(line)
    if guessing is not None:
        print("What guessing scores:")
        for line in describe_guessing(guessing):
            print(f"  {line}")
