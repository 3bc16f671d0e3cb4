"""`rnnspec evaluate`: measure the performance of the networks of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnspec.cli.console import count, note
from rnnspec.cli.options import Device, Json, RunFolder, TargetName, open_stored


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

    \b
    Example:
      rnnspec evaluate runs/go-1a2b3c4d --sequences 1000 --trials trials.csv
    """
    from rnnspec.cli.display.charts import UNSCORED, score
    from rnnspec.cli.display.guessing import describe_guessing
    from rnnspec.files import check_output, to_json, write_file

    table = None if trials is None else check_output(trials, ".csv")
    stored = open_stored(run, target, device)

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
        print(to_json({"run": run, **summary.as_dict(), "guessing": levels}, indent=2))
        return
    phases = list(evaluation.phases)
    print(f"{run}: {count(evaluation.sequences, 'sequence')}, true dynamics")
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
    if guessing is not None:
        print("What guessing scores:")
        for line in describe_guessing(guessing):
            print(f"  {line}")
