"""The report of a training: how it ended, and the performance of its networks."""

from __future__ import annotations

from rnnspec.analysis.criterion import below_criterion, is_reached, trimmed_count
from rnnspec.analysis.evaluation import is_scored
from rnnspec.cli.console import count
from rnnspec.cli.display.charts import UNSCORED, score
from rnnspec.cli.display.phases import describe_below, describe_criterion, describe_phases
from rnnspec.cli.display.progress import five_numbers
from rnnspec.cli.failures import DIVERGED, FINE
from rnnspec.files import to_json
from rnnspec.program.nodes import Stop
from rnnspec.runs.layout import resume_command
from rnnspec.runs.lock import RunInUseError
from rnnspec.training.interruption import EXIT_CODES
from rnnspec.training.result import Result


def exit_code(result: Result) -> int:
    """Return the exit code of a training, by how it ended."""
    if result.status == "interrupted" or result.status == "terminated":
        return EXIT_CODES[result.status]
    return DIVERGED if result.diverged else FINE


def print_result(title: str, result: Result, *, as_json: bool) -> None:
    """Print the result of a training to stdout."""
    if as_json:
        program = result.simulation.program
        folder = None if result.folder is None else str(result.folder)
        print(to_json({"name": program.name, "run": folder, **result.summary().model_dump()}, indent=2))
        return
    print(f"{title} {_ending(result)}")
    for label, text in _facts(result):
        print(f"  {label:<12} {text}")


def print_in_use(title: str, name: str, other: RunInUseError, *, as_json: bool) -> None:
    """Print to stdout that another process is training a run."""
    process, host = other.holder.process, other.holder.host
    if as_json:
        row = {"name": name, "run": str(other.folder), "status": "running", "process": process, "host": host}
        print(to_json(row, indent=2))
        return
    print(f"{title} is being trained by another process; nothing is done here.")
    for label, text in (("process", str(other.holder)), ("run", str(other.folder))):
        print(f"  {label:<12} {text}")


def _ending(result: Result) -> str:
    goal = result.simulation.program.training.stop
    after = f"after {count(result.iterations, 'iteration')}"
    saved = "" if result.folder is None else "; the networks are saved"
    match result.status:
        case "reached":
            assert goal is not None
            return f"reached a performance of {describe_criterion(goal)} {after}."
        case "finished":
            mean = result.trimmed_mean
            missed = ""
            below = goal and not (mean is not None and is_reached(goal, mean, result.phase_means))
            if goal and below and result.for_criterion:
                missed = f" without reaching a performance of {describe_criterion(goal)}"
            made = "its one iteration" if result.iterations == 1 else f"all {result.iterations:,} iterations"
            return f"finished {made}{missed}."
        case "diverged":
            return f"ended {after}: every network has diverged."
        case "interrupted":
            return f"was stopped by Ctrl-C {after}{saved}."
        case "terminated":
            return f"was stopped by {result.signal} {after}{saved}."
        case "failed":
            return f"failed {after}{saved}."


def _facts(result: Result) -> list[tuple[str, str]]:
    facts = []
    mean = result.trimmed_mean
    if mean is not None and not is_scored(result.simulation.program):
        facts.append(("performance", UNSCORED))
    elif mean is not None:
        low, first, median, third, high = (score(value) for value in five_numbers(result.performance))
        when = "" if result.evaluated == result.iterations else f", after iteration {result.evaluated:,}"
        stop = result.simulation.program.training.stop
        facts.append(("performance", _describe_mean(mean, len(result.performance), stop) + when))
        if phases := describe_phases(result.phase_means, mean):
            facts.append(("phases", phases))
        if len(result.performance) > 1:
            facts.append(("networks", f"lowest {low}, quartiles {first} {median} {third}, highest {high}"))
        if stop is not None and result.reached is not None:
            reached = f"{len(result.reached)} of {count(len(result.performance), 'network')}"
            facts.append(("criterion", f"{describe_criterion(stop)}, reached by {reached}"))
        if below := below_criterion(result.simulation.program, mean, result.phase_means):
            facts.append(("held back by", describe_below(below, result.phase_means, mean)))
    for lost in result.diverged[:10]:
        facts.append(("diverged", f"network {lost.network} in iteration {lost.iteration:,}: {lost.cause}"))
    if len(result.diverged) > 10:
        facts.append(("", f"and {len(result.diverged) - 10} more, listed in manifest.json"))
    if result.folder is not None:
        facts.append(("run", str(result.folder)))
        if result.status in ("interrupted", "terminated"):
            facts.append(("resume it", resume_command(result.folder)))
    return facts


def _describe_mean(mean: float, networks: int, stop: Stop | None) -> str:
    """Return the mean performance of an ensemble, with what kind of mean it is."""
    trimmed = trimmed_count(networks, stop.trim) if stop else 0
    if trimmed == 1:
        return f"{score(mean)} (trimmed mean, without the best and the worst network)"
    if trimmed:
        return f"{score(mean)} (trimmed mean, without the best {trimmed} and the worst {trimmed} networks)"
    return f"{score(mean)} (mean)" if networks > 1 else score(mean)
