"""`train(once=True)`: an earlier run of the same networks is resumed, or read if it is finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.runs.find import find_runs
from rnnspec.runs.identity import identity
from rnnspec.runs.lock import RunInUseError
from rnnspec.runs.manifest import OVER, read_manifest
from rnnspec.runs.reader import open_run
from rnnspec.runs.status import RunStatus, run_status
from rnnspec.runtime.targets import Target
from rnnspec.training.result import Result


def find_earlier(
    out: Path | str, specification: Specification, only_network: int | None, origin: str | None = None
) -> RunStatus | None:
    """Return the run below a folder that trains the same networks of the same spec; None if there is none.

    origin: what its networks begin from, for its identity.
    Of several, a finished one counts most, then one that is being trained, then the one with most iterations.
    """
    networks = specification.program.training.networks if only_network is None else 1
    found = find_runs(
        Path(out), identity(specification.text, origin), networks=networks, first_network=only_network or 0
    )
    return max(found, key=_progress, default=None)


def finish_earlier(
    earlier: RunStatus,
    resume: Callable[[Path], Result],
    on_note: Callable[[str], None] | None,
    *,
    target: Target | None,
    dtype: torch.dtype,
) -> Result:
    """Return the result of an earlier run: resume it unless it is finished.

    resume: resumes a run folder.  on_note: is called with what is done, one line.  Raises RunInUseError if
    another process trains it, RequestError if it has another target or dtype, or cannot be resumed.
    """
    _check_same(earlier, target, dtype)
    say = on_note or (lambda line: None)
    folder = earlier.folder
    if earlier.state in OVER:
        say(f"{folder} is finished: nothing is left to train.")
        return _stored_result(folder)
    if earlier.state == "running" and earlier.holder is not None:
        raise RunInUseError(folder, earlier.holder)
    say(f"{folder} is not finished: it is resumed.")
    try:
        return resume(folder)
    except RequestError:
        # Another process may have finished it since it was found.
        if run_status(folder).state not in OVER:
            raise
        return _stored_result(folder)


def _progress(status: RunStatus) -> tuple[bool, bool, int]:
    return status.state in OVER, status.state == "running", status.completed


def _check_same(earlier: RunStatus, target: Target | None, dtype: torch.dtype) -> None:
    """Refuse to take a run for one with another target or dtype, which its identity does not contain."""
    asked = {"target": target, "dtype": str(dtype).removeprefix("torch.")}
    for name, before in (("target", earlier.target), ("dtype", earlier.dtype)):
        if asked[name] is not None and asked[name] != before:
            raise RequestError(
                f"{earlier.folder} trains the same spec, but with {name} {before}, not {asked[name]}.",
                f"Ask for {name} {before}, or use another folder for the runs.",
            )


def _stored_result(folder: Path) -> Result:
    """Return the result of a finished run, with its networks."""
    stored, manifest = open_run(folder), read_manifest(folder)
    summary = manifest.result
    assert summary is not None
    return Result(
        simulation=stored.simulation,
        status=summary.status,
        iterations=summary.iterations,
        evaluated=summary.evaluated,
        performance=summary.performance,
        phases=summary.phases,
        diverged=summary.diverged,
        folder=folder,
        signal=summary.signal,
        for_criterion=manifest.for_criterion,
    )
