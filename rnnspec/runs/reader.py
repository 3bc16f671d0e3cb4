"""Reading a run folder back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rnnspec.check.examine import Specification, load
from rnnspec.errors import RequestError
from rnnspec.runs.adoption import adopt, refuse_unfit, without_radius
from rnnspec.runs.checkpoint import read_checkpoint
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.identity import identity_of
from rnnspec.runs.layout import SPEC, WEIGHTS, resume_command
from rnnspec.runs.manifest import OVER, Manifest, damage_of, part_of, read_manifest
from rnnspec.runs.question import ConditionValues, Question, load_changed
from rnnspec.runs.record import RESTORE
from rnnspec.runs.regular import read_regular
from rnnspec.runs.weights import load_state, load_weights, restore_initial
from rnnspec.runtime.arguments import choice
from rnnspec.runtime.device import DTYPES, check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import TARGETS, WITHOUT_KERNEL, Target

#: The question that changes nothing.
NOTHING = Question()

#: Why a run has no networks, by its status, and what to do.
_WITHOUT = {
    "running": (
        "is still running, or was cut off",
        "Wait until it has ended. If it does not run any more, resume it with: {command}",
    ),
    "interrupted": (
        "was stopped by a second Ctrl-C, which does not wait",
        "Resume it with: {command}",
    ),
    "failed": (
        "failed, and they could not be saved",
        "Resume it with: {command}",
    ),
}


@dataclass(frozen=True)
class StoredRun:
    """The networks of a run, and what is asked of them.

    manifest: of the run.  simulation: with the trained weights.  iterations: updates made.  diverged: the
    networks that have diverged, counted from 0 in this simulation.  changes: how the question differs from
    the run, a line each.
    """

    folder: Path
    manifest: Manifest
    specification: Specification
    simulation: Simulation
    iterations: int
    diverged: frozenset[int]
    changes: tuple[str, ...] = ()


def load_run(
    path: Path | str,
    *,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    conditions: ConditionValues = None,
    trial_seed: int | None = None,
    checkpoint: int | None = None,
    target: Target | None = None,
    device: str = "cpu",
) -> tuple[Specification, Simulation]:
    """Return the spec and the trained networks of a run folder.

    overlays, settings, conditions, trial_seed, checkpoint: of a question, see `rnnspec.evaluate`.
    """
    question = Question.of(overlays, settings, conditions, trial_seed, checkpoint)
    run = open_run(path, question, target=target, device=device)
    return run.specification, run.simulation


def open_run(
    path: Path | str, question: Question = NOTHING, *, target: Target | None = None, device: str = "cpu"
) -> StoredRun:
    """Read a run folder and check that it is whole.

    question: what is changed.  target: what to simulate with, that of the training if not given.  Raises
    RequestError if the path is no run folder, the training has not ended (of a checkpoint, it need not), a
    file is not the one that was written, or the weights do not fit the changed spec; SpecError if that has
    errors.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    _check_whole(folder, manifest, question.checkpoint)
    where = check_device(device, target)
    preferred = choice("target", manifest.target, TARGETS)
    specification = load(folder / SPEC)
    changed = None
    if question.changes_spec:
        changed = load_changed(folder / SPEC, question.overlays, question.settings, question.conditions)
        refuse_unfit(
            specification.program,
            changed.specification.program,
            changed.changes,
            str(folder),
            own_masks=manifest.origin is not None,
        )
    networks, first = part_of(folder, manifest, specification.program)
    ensemble = partial(Simulation, networks=networks, first_network=first, dtype=DTYPES[manifest.dtype])
    if changed is None:
        simulation = ensemble(specification.program, target=target, preferred=preferred, device=where)
    else:
        # It only holds weights, for which no kernel is needed.
        simulation = ensemble(specification.program, target=WITHOUT_KERNEL)
    restore_initial(simulation, folder, manifest)
    completed, diverged = _load_networks(simulation, folder, manifest, question.checkpoint)
    changes = [] if changed is None else [str(change) for change in changed.changes]
    if changed is not None:
        trained, specification = simulation, changed.specification
        program = without_radius(specification.program)
        simulation = ensemble(program, target=target, preferred=preferred, device=where)
        adopt(simulation, trained)
    if question.checkpoint is not None:
        changes.append(f"networks of iteration {completed:,}")
    if question.trial_seed is not None:
        changes.append(f"trial seed {question.trial_seed} (was {simulation.seed})")
        simulation.seed = question.trial_seed
    if changed is not None and changed.conditions is not None:
        changes.append(f"conditions {changed.conditions}")
    return StoredRun(folder, manifest, specification, simulation, completed, diverged, tuple(changes))


def _check_whole(folder: Path, manifest: Manifest, checkpoint: int | None) -> None:
    """Refuse a run without networks, and files that the training did not write."""
    if manifest.result is None:
        if checkpoint is not None:
            text = read_regular(folder / SPEC).decode(errors="replace")
            if identity_of(text, manifest.versions.rnnspec, manifest.origin_words) != manifest.identity:
                raise RequestError(f"{folder / SPEC} is not the file that the training wrote.", RESTORE)
            return
        why, remedy = _WITHOUT.get(manifest.status, (f"ended as '{manifest.status}'", "Train again."))
        raise RequestError(
            f"{folder} has no trained networks: its training {why}.",
            remedy.format(command=resume_command(folder)),
        )
    again = "Make it again from the last checkpoint with" if manifest.status in OVER else "Resume it with"
    files = ((SPEC, RESTORE), (WEIGHTS, f"{again}: {resume_command(folder)}"))
    for name, remedy in files if checkpoint is None else files[:1]:
        if damage := damage_of(folder, manifest, name):
            raise RequestError(f"{damage}.", remedy)


def _load_networks(
    simulation: Simulation, folder: Path, manifest: Manifest, checkpoint: int | None
) -> tuple[int, frozenset[int]]:
    """Load the networks of a run, or of a checkpoint; return the updates made, and who has diverged."""
    lost: Iterable[Divergence]
    if checkpoint is not None:
        state = read_checkpoint(folder, checkpoint).state
        load_state(simulation, state, folder)
        completed, lost = state.completed, state.diverged
    else:
        assert manifest.result is not None
        load_weights(simulation, read_regular(folder / WEIGHTS), str(folder / WEIGHTS))
        completed, lost = manifest.result.iterations, manifest.result.diverged
    return completed, frozenset(row.network - simulation.first_network for row in lost)


def ensemble_of(
    run: Simulation | StoredRun | Path | str, question: Question = NOTHING
) -> StoredRun | Simulation:
    """Return networks as they are, or read those of a run folder, and ask them a question.

    Raises TypeError for a question to networks that are no run folder: they do not have their spec.
    """
    if isinstance(run, Path | str):
        return open_run(run, question)
    if not isinstance(run, Simulation | StoredRun):
        raise TypeError(
            f"run takes the path of a run folder or a Simulation, not {type(run).__name__}; "
            "of a Result, give its folder."
        )
    if question != NOTHING:
        raise TypeError(
            "overlays, settings, conditions, trial_seed and checkpoint need the path of a run folder; "
            "a Simulation of a changed spec comes from rnnspec.compile or rnnspec.load_run."
        )
    return run
