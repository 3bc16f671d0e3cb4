"""Verifies the invariants of a program.  A violation is a bug in the lowering, not a mistake in the spec."""

from __future__ import annotations

from collections.abc import Iterator

from rnnspec.program.expression_nodes import Expression, Output, Previous, Random, Rate, Variable, White, walk
from rnnspec.program.nodes import Matrix, Network, Path, PointSkip, Program
from rnnspec.spec.activations import ACTIVATIONS


class MalformedProgramError(Exception):
    """A program breaks an invariant: a bug in the lowering."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(f"{message} (at {'.'.join(map(str, path))})")


def verify(program: Program) -> None:
    """Check layout, blocks, names and places of a program.  Raises MalformedProgramError."""
    _verify_network(program.network)
    _verify_timeline(program)
    epochs = {epoch.name for epoch in program.timeline.epochs}
    for skip in program.skips:
        if isinstance(skip, PointSkip):
            for event in (skip.source, skip.target):
                _require(event.epoch is None or event.epoch in epochs, "unknown event", skip.path)
        _require(0 < skip.beta.start <= 1, "beta outside (0, 1]", skip.path)


def _verify_network(network: Network) -> None:
    for group in (network.populations, network.inputs, network.outputs):
        start = 0
        for part in group:
            _require(part.start == start < part.stop, "gap in the layout", part.path)
            start = part.stop
    for matrix in (network.w_rec, network.w_in, network.w_out):
        _verify_blocks(matrix)


def _verify_blocks(matrix: Matrix) -> None:
    area = sum((b.rows[1] - b.rows[0]) * (b.columns[1] - b.columns[0]) for b in matrix.blocks)
    _require(area == matrix.rows * matrix.columns, "blocks do not cover the matrix", matrix.path)
    corners = {(b.rows[0], b.columns[0]) for b in matrix.blocks}
    _require(len(corners) == len(matrix.blocks), "blocks overlap", matrix.path)


def _verify_timeline(program: Program) -> None:
    timeline = program.timeline
    distributions = {c.name for c in program.network.outputs if ACTIVATIONS[c.activation.name].distribution}
    known: dict[str, int] = {}
    reads = {r.name: i + 1 for i, e in enumerate(timeline.epochs) for r in e.reads}
    names = {d.name for d in timeline.draws} | reads.keys()
    for draw in timeline.draws:
        values = (*draw.values, *(v for p in draw.patterns or () for v in p))
        for node in (n for value in values for n in walk(value)):
            if isinstance(node, Variable) and node.name not in reads:
                _require(node.name in known, f"'{node.name}' is used before it is drawn", draw.path)
        _require(draw.available is None or draw.type.reads, "a read-free draw waits for a read", draw.path)
        known[draw.name] = draw.available or 0
    known |= reads
    verified: set[Path] = set()
    for position, epoch in enumerate(timeline.epochs):
        for value, place, path in _values(program, position):
            if path in verified:
                # Several epochs inherit it; it was verified in an earlier one.
                continue
            verified.add(path)
            for node in walk(value):
                _require(not isinstance(node, Random), "a random call outside of draws", path)
                _require(place == "input" or not isinstance(node, White), "white outside of inputs", path)
                _require(
                    place in ("correct", "read") or not isinstance(node, Output), "misplaced output", path
                )
                if isinstance(node, Variable | Previous):
                    _require(node.name in names, f"unknown variable '{node.name}'", path)
                if isinstance(node, Variable):
                    _require(known[node.name] <= position, f"'{node.name}' is not known yet", path)
        duration = epoch.duration
        _require((duration.time is None) != (duration.value is None), "duration is twofold", epoch.path)
        if duration.value is not None:
            _require(not duration.value.type.reads, "duration depends on a read", epoch.path)
            _require(duration.value.type.rate < Rate.POINT, "duration varies within its epoch", epoch.path)
        _require(epoch.gradient or not epoch.targets, "target without gradient", epoch.path)
        for target in epoch.targets:
            suits = target.error == "squared" or target.channel in distributions
            _require(suits, "cross-entropy of what is not a distribution", target.path)


def _values(program: Program, position: int) -> Iterator[tuple[Expression, str, Path]]:
    epoch = program.timeline.epochs[position]
    yield from ((d.value, "input", d.path) for d in epoch.drives)
    yield from ((t.value, "target", t.path) for t in epoch.targets)
    yield from ((r.value, "read", r.path) for r in epoch.reads)
    if epoch.weight is not None:
        yield epoch.weight, "weight", (*epoch.path, "weight")
    if epoch.correct is not None:
        yield epoch.correct, "correct", (*epoch.path, "correct")


def _require(condition: bool, message: str, path: Path) -> None:
    if not condition:
        raise MalformedProgramError(message, path)
