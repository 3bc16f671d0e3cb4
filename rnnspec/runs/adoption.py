"""Networks of a run under a changed spec: which changes their weights allow, and the weights moved there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Block, InputChannel, Matrix, OutputChannel, Population, Program
from rnnspec.runs.question import Change
from rnnspec.runtime.effective_weights import connections, matrices
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.weight_draws import WeightDraws

Part = Population | InputChannel | OutputChannel

#: How to give a connection weights that no run has.
_FROZEN = '{init: "uniform(1, 1)", trainable: false}'


def refuse_unfit(was: Program, now: Program, changes: Sequence[Change], run: str) -> None:
    """Raise RequestError, which names every block, for a spec that the weights of a run do not fit.

    was: the program of the run.  Populations and channels keep their sizes; masks and signs are those of the
    run.  A connection may be removed, also in part; one that the run does not have needs weights of its own.
    """
    found = [*_layout(was, now), *_values(was, now, changes)]
    if not found:
        for old, new in zip(matrices(was), matrices(now), strict=True):
            blocks = {block.name: block for block in old.blocks}
            for block in new.blocks:
                found += _block(blocks.get(block.name), block)
    if found:
        raise RequestError(
            f"The weights of {run} do not fit this spec:\n" + "\n".join(f"  {line}" for line in found),
            "Undo these changes. Durations, stimuli, noise, and connections that are removed may change, "
            "and channels with frozen weights may be added.",
        )


def without_radius(program: Program) -> Program:
    """Return a program whose initial weights are not scaled: weights of a run keep their size."""
    if program.network.w_rec.radius is None:
        return program
    w_rec = replace(program.network.w_rec, radius=None)
    return replace(program, network=replace(program.network, w_rec=w_rec))


@torch.no_grad()
def adopt(simulation: Simulation, trained: Simulation) -> None:
    """Give an ensemble the weights and masks of the trained one, block by block.

    A connection exists if it exists in both.  Blocks that are only here keep the weights that were drawn.
    """
    masks: dict[str, torch.Tensor] = {}
    raw, source = dict(simulation.named_parameters()), dict(trained.named_parameters())
    for new, old in zip(matrices(simulation.program), matrices(trained.program), strict=True):
        blocks = {block.name: block for block in old.blocks if block.present}
        mask = simulation.mask.full(new.name).clone()
        left = trained.mask.full(new.name) & _kept(trained, old, new)
        for block in new.blocks:
            here = _place(block)
            if block.name in blocks:
                there = _place(blocks[block.name])
                raw[new.name][here] = source[new.name][there].to(raw[new.name])
                mask[here] = left[there]
            elif block.present and block.init is not None:
                raw[new.name][here] = _drawn(simulation, new, block).to(raw[new.name])
        masks[new.name] = mask
    simulation.mask.take(masks, simulation.bias.device)
    now, was = simulation.program.network, trained.program.network
    pairs: Iterable[tuple[str, Sequence[Part], Sequence[Part]]] = (
        ("bias", now.populations, was.populations),
        ("readout_bias", now.outputs, was.outputs),
    )
    for name, here_parts, there_parts in pairs:
        starts = {part.name: part for part in there_parts}
        for part in here_parts if name in raw else ():
            if then := starts.get(part.name):
                raw[name][:, part.start : part.stop] = source[name][:, then.start : then.stop]


def _kept(trained: Simulation, old: Matrix, new: Matrix) -> torch.Tensor:
    """Return which connections of a matrix of the run the new spec has too: (K, R, C) bool.

    A lower density keeps a part of those that a higher one has drawn.
    """
    blocks = {block.name: block for block in new.blocks}
    thinned = tuple(
        replace(
            block,
            present=now.present,
            density=now.density,
            self_connections=now.self_connections,
        )
        for block in old.blocks
        for now in [blocks[block.name]]
    )
    matrix = replace(old, blocks=thinned)
    numbers = range(trained.first_network, trained.first_network + trained.networks)
    return torch.stack([connections(matrix, trained.seed, number) for number in numbers])


def _drawn(simulation: Simulation, matrix: Matrix, block: Block) -> torch.Tensor:
    """Draw the raw weights of a block in every network, (K, rows, columns)."""
    assert block.init is not None
    draws = []
    for number in range(simulation.first_network, simulation.first_network + simulation.networks):
        stream = WeightDraws(simulation.seed, number, matrix.name, matrix.rows, matrix.columns)
        draws.append(stream.draw(block.init, block.rows, block.columns))
    weights = torch.stack(draws)
    return weights if block.sign is None else weights.abs()


def _place(block: Block) -> tuple[slice, slice, slice]:
    return slice(None), slice(*block.rows), slice(*block.columns)


# --- what does not fit -------------------------------------------------------------------------------


def _layout(was: Program, now: Program) -> Iterator[str]:
    """Yield the populations and channels whose number of units has changed, and those that are missing."""
    groups: Iterable[tuple[str, Sequence[Part], Sequence[Part]]] = (
        ("population", was.network.populations, now.network.populations),
        ("input", was.network.inputs, now.network.inputs),
        ("output", was.network.outputs, now.network.outputs),
    )
    for kind, old, new in groups:
        sizes = {part.name: part.stop - part.start for part in new}
        for part in old:
            units = part.stop - part.start
            if part.name not in sizes:
                yield f"the {kind} '{part.name}' is missing: remove its connections instead"
            elif sizes[part.name] != units:
                yield f"the {kind} '{part.name}' has {sizes[part.name]:,} units, and {units:,} in the run"
        if kind == "population":
            for name in (part.name for part in new if part.name not in {part.name for part in old}):
                yield f"the population '{name}' is not in the run"


def _values(was: Program, now: Program, changes: Sequence[Change]) -> Iterator[str]:
    """Yield the changed values that would have no effect, or that would turn the weights into others."""
    for change in changes:
        if change.path[:2] == ("network", "weights"):
            yield f"{'.'.join(map(str, change.path))}: the weights are those of the run"
    if was.network.dale != now.network.dale:
        yield "network.dale: the signs are those of the run"
    if was.network.readout_bias != now.network.readout_bias:
        yield f"the outputs have {'a' if now.network.readout_bias else 'no'} readout bias, unlike in the run"
    if was.training.networks != now.training.networks:
        yield f"training.networks is {now.training.networks:,}, and {was.training.networks:,} in the run"
    if was.training.seed != now.training.seed:
        yield "training.seed: the masks are those of the run; for other trials and noise use --trial-seed"


def _block(was: Block | None, now: Block) -> Iterator[str]:
    """Yield why the weights of the run do not fit a connection.  was: the one of the run, if there is one."""
    if not now.present:
        return
    if was is None or not was.present:
        if now.trainable or now.init is None:
            yield f"the connection '{now.name}' is not in the run: give it frozen weights, such as {_FROZEN}"
        return
    if now.sign != was.sign:
        signs = [block.sign or "of either sign" for block in (now, was)]
        yield f"the connection '{now.name}' is {signs[0]}, and {signs[1]} in the run"
    if now.density > was.density:
        yield (
            f"the connection '{now.name}' has a density of {now.density:g}, and in the run {was.density:g}: "
            "the run has no weights for the others"
        )
    if now.self_connections and not was.self_connections:
        yield f"the connection '{now.name}' has self-connections, and none in the run"
    if _initial(now) != _initial(was):
        yield f"the connection '{now.name}' has an 'init', but its weights are those of the run"


def _initial(block: Block) -> tuple[str, tuple[float, ...]] | None:
    return None if block.init is None else (block.init.name, block.init.arguments)
