"""Arguments and options that several commands share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rnnspec.cli.console import note, show_diagnostics
from rnnspec.runtime.targets import TARGETS, Target
from rnnspec.training.interruption import STOPPING

if TYPE_CHECKING:
    from rnnspec.runs.reader import StoredRun

Choice = TypeVar("Choice", bound=str)

SpecFile = Annotated[str, typer.Argument(metavar="SPEC", help="The spec, a YAML file.", show_default=False)]
RunFolder = Annotated[
    str, typer.Argument(metavar="RUN", help="A run folder, made by 'rnnspec train'.", show_default=False)
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="METHOD",
        help="Merge this overlay into the spec: a method such as dasc40, or a path. May be repeated.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one value, such as training.networks=10. May be repeated.",
        show_default=False,
    ),
]
ChangeWith = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="OVERLAY",
        help="Merge this overlay into the spec of the run. May be repeated.",
        show_default=False,
    ),
]
ChangeSet = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one value of the spec of the run, such as network.noise=none. May be repeated.",
        show_default=False,
    ),
]
ConditionGrid = Annotated[
    list[str] | None,
    typer.Option(
        "--conditions",
        metavar="GRID",
        help="Deal all combinations of some values of variables to the sequences, such as "
        "'coherence=[-0.5, 0.5]; context=[0, 1]'. May be repeated.",
        show_default=False,
    ),
]
TrialSeed = Annotated[
    int | None,
    typer.Option(
        "--trial-seed",
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="Draw other trials and noise; default: with the seed of the spec.",
        show_default=False,
    ),
]
AtIteration = Annotated[
    int | None,
    typer.Option(
        "--iteration",
        metavar="N",
        min=0,
        help="Take the networks of the checkpoint of this iteration; default: the trained ones.",
        show_default=False,
    ),
]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="TARGET",
        help=f"What simulates: {', '.join(TARGETS)}; default: the first of them that this machine can use.",
        show_default=False,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="Where to compute: cpu, cuda (all GPUs of one model), cuda:1, mps, xpu; "
        "auto: cuda if there is a GPU, else cpu.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, help="CPU threads; default: torch decides.", show_default=False
    ),
]
OwnDevice = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="Where to compute: cpu, cuda (all GPUs of one model), cuda:1, mps, xpu; default: as before.",
        show_default=False,
    ),
]
OwnThreads = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", min=1, help="CPU threads; default: as before.", show_default=False
    ),
]
AllowDrift = Annotated[
    bool,
    typer.Option("--allow-drift", help="Continue even if a change of spec or software changes the result."),
]
BreakLock = Annotated[
    bool,
    typer.Option("--break-lock", help="Take the lock that a dead process on another machine has left."),
]
CheckpointSeconds = Annotated[
    float,
    typer.Option("--checkpoint-seconds", metavar="S", min=0, help="Write a checkpoint every S seconds."),
]
CheckpointIterations = Annotated[
    int | None,
    typer.Option(
        "--checkpoint-iterations",
        metavar="N",
        min=1,
        help="Also write one every N iterations.",
        show_default=False,
    ),
]
StopOn = Annotated[
    list[str] | None,
    typer.Option(
        "--stop-on",
        metavar="SIGNAL",
        help="Save and stop at this signal too, such as USR2. May be repeated.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def open_stored(
    run: str,
    target: str | None,
    device: str,
    overlays: list[str] | None = None,
    settings: list[str] | None = None,
    conditions: list[str] | None = None,
    trial_seed: int | None = None,
    iteration: int | None = None,
) -> StoredRun:
    """Read a run folder, and change what is asked of its networks.

    Prints a remark if they are not simulated by the usual target, and warnings about what was changed.
    """
    from rnnspec.runs.manifest import read_manifest

    # Before torch is imported, which takes seconds.
    read_manifest(Path(run))

    from rnnspec.runs.question import Question
    from rnnspec.runs.reader import open_run

    question = Question.of(
        overlays or (), settings or (), "; ".join(conditions) if conditions else None, trial_seed, iteration
    )
    stored = open_run(run, question, target=target_of(target), device=device)
    if question.changes_spec:
        show_diagnostics(stored.specification.warnings, sys.stderr)
    if stored.simulation.note:
        note(stored.simulation.note)
    return stored


def stop_signal_names(more: list[str] | None) -> tuple[str, ...]:
    """Return the names of the signals that stop a training: the usual ones and those of --stop-on."""
    return (*STOPPING, *(more or ()))


def one_of(name: str, value: str, choices: tuple[Choice, ...]) -> Choice:
    """Return a value if it is one of the choices; otherwise this is wrong usage."""
    for choice in choices:
        if value == choice:
            return choice
    raise typer.BadParameter(f"'{value}' is not one of: {', '.join(choices)}.", param_hint=f"'{name}'")


def target_of(name: str | None) -> Target | None:
    """Return the target with this name; None, for the fastest, if there is no name."""
    return None if name is None else one_of("--target", name, TARGETS)
