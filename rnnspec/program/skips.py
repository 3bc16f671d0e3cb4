"""Lower skips and coarsening: resolve events, convert schedules to iterations."""

from __future__ import annotations

from fractions import Fraction

from rnnspec.diagnostics import Problems, nearest, one_of
from rnnspec.program.nodes import Annealing, Event, Path, PeriodicSkip, PointSkip, Skip
from rnnspec.spec import skips as spec
from rnnspec.spec.values import Event as EventText
from rnnspec.syntax.compose import Document


def lower_skips(
    skips: spec.Skips,
    epochs: tuple[str, ...],
    dt: Fraction,
    iterations: int,
    document: Document,
    problems: Problems,
) -> tuple[Skip, ...]:
    """Lower the skips section.  epochs: the names of the epochs of the task.  dt: in seconds.

    Ensures: each edge is periodic or runs between two existing events, and has an annealing of its own.
    """
    lowered: list[Skip] = []
    for name, edge in skips.edges.items():
        path: Path = ("skips", "edges", name)
        if edge.beta is not None:
            beta = _beta(edge.beta, (*path, "beta"), iterations, document, problems)
        else:
            beta = _beta(skips.beta, ("skips", "beta"), iterations, document, problems)
        if not _complete(edge, path, document, problems):
            continue
        if edge.every is not None:
            every = edge.every.seconds(dt)
            lowered.append(PeriodicSkip(path, name, edge.kind, edge.increment, every, edge.per, beta))
        elif edge.from_ is not None and edge.to is not None:
            source = _event(edge.from_, (*path, "from"), epochs, dt, document, problems)
            target = _event(edge.to, (*path, "to"), epochs, dt, document, problems)
            if source and target:
                lowered.append(PointSkip(path, name, edge.kind, edge.increment, source, target, beta))
    return tuple(lowered)


def lower_coarsening(coarsening: spec.Coarsening | None, iterations: int) -> Annealing | None:
    """Lower the coarsening section."""
    if coarsening is None:
        return None
    start = Fraction(str(coarsening.from_))
    return Annealing(("coarsening",), start, coarsening.increments, coarsening.over.iterations(iterations))


def _complete(edge: spec.Edge, path: Path, document: Document, problems: Problems) -> bool:
    """Return whether an edge is either regular or between two events; reports it if not."""
    ends = [word for word, value in (("from", edge.from_), ("to", edge.to)) if value is not None]
    before = len(problems.found)
    if edge.every is not None and ends:
        problems.error(
            "RS306",
            f"'{path[-1]}' has both 'every' and '{ends[0]}'",
            document.span((*path, ends[0]), key=True),
            expected="either 'every', or 'from' and 'to'",
            help="delete one of them, or write two edges",
        )
    elif edge.every is None and len(ends) < 2:
        missing = "'every', or 'from' and 'to'" if not ends else "'to'" if ends == ["from"] else "'from'"
        problems.error(
            "RS306",
            f"'{path[-1]}' does not say where it lands"
            if ends != ["to"]
            else f"'{path[-1]}' does not say where it starts",
            document.span(path, key=True),
            expected=missing,
            help="for example: 'every: 40 steps', or 'from: trial.start' and 'to: trial.end'",
        )
    for key, wrong, where in (
        ("per", edge.every is None and edge.per != "epoch", "a regular edge, with 'every'"),
        ("increment", edge.kind == "sctt" and edge.increment != "departing", "an edge of kind dasc"),
        (
            "increment",
            edge.kind == "dasc" and edge.every is None and edge.increment == "arriving",
            "a regular edge, with 'every'",
        ),
    ):
        if wrong:
            problems.error(
                "RS306",
                f"'{key}' has no effect in '{path[-1]}'",
                document.span((*path, key), key=True),
                expected=f"it only in {where}",
                help=f"delete '{key}'",
            )
    return len(problems.found) == before


def _event(
    event: EventText,
    path: Path,
    epochs: tuple[str, ...],
    dt: Fraction,
    document: Document,
    problems: Problems,
) -> Event | None:
    if event.name != "trial" and event.name not in epochs:
        start = event.text.index(event.name)
        problems.error(
            "RS204",
            f"'{event.name}' is not an epoch of this task",
            document.inside(path, start, start + len(event.name)),
            expected=one_of((*epochs, "trial")),
            help=nearest(event.name, (*epochs, "trial")),
        )
        return None
    offset = event.offset.seconds(dt) if event.offset else Fraction(0)
    return Event(None if event.name == "trial" else event.name, event.edge, offset)


def _beta(
    beta: spec.BetaSchedule, path: Path, iterations: int, document: Document, problems: Problems
) -> Annealing:
    if not 0 < beta.from_ <= 1:
        problems.error(
            "RS304",
            f"the first beta is {beta.from_:g}",
            document.span((*path, "from")),
            expected="a number above 0 and at most 1, the weight of the true dynamics",
        )
    return Annealing(path, Fraction(str(beta.from_)), beta.increments, beta.over.iterations(iterations))
