"""Networks of a run under a changed spec: which changes their weights allow, and the weights moved there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Block, InputChannel, Matrix, OutputChannel, Population, Program
from rnnspec.runs.question import Change
from rnnspec.runs.weights import WeightBlock, shared_blocks
from rnnspec.runtime.effective_weights import matrices
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.weight_draws import THINNING, WeightDraws

Part = Population | InputChannel | OutputChannel

#: How to give a connection weights that no run has.
_FROZEN = '{init: "uniform(1, 1)", trainable: false}'


def refuse_unfit(
    was: Program, now: Program, changes: Sequence[Change], run: str, *, own_masks: bool = False
) -> None:
    """Raise RequestError, which names every block, for a spec that the weights of a run do not fit.

    was: the program of the run.  Populations and channels keep their sizes; masks and signs are those of the
    run.  A connection may be removed, also in part; one that the run does not have needs weights of its own.
    own_masks: the masks are not those that the spec of the run gives, but of networks from which it began.
    """
    found = [*_layout(was, now), *_values(was, now, changes)]
    if not found:
        for old, new in zip(matrices(was), matrices(now), strict=True):
            blocks = {block.name: block for block in old.blocks}
            for block in new.blocks:
                then = blocks.get(block.name)
                found += _block(then, block)
                if own_masks and then is not None and block.present and block.density < then.density:
                    found.append(
                        f"the connection '{block.name}' has the mask of networks that the run began from, so "
                        "its 'density' cannot be lowered"
                    )
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

    Of a block that is only here, the weights are drawn.
    """
    raw, source = dict(simulation.named_parameters()), dict(trained.named_parameters())
    masks = simulation.mask.copies()
    for block, then in shared_blocks(simulation.program.network, trained.program.network):
        here = raw[block.parameter]
        here[block.place] = source[then.parameter][then.place].to(here)
        if block.matrix:
            left = trained.mask.full(then.parameter)[then.place] & _kept(simulation, trained, block)
            masks[block.parameter][block.place] = left
    simulation.mask.take(masks, simulation.bias.device)


def _kept(simulation: Simulation, trained: Simulation, where: WeightBlock) -> Tensor:
    """Return which of the connections of a block that the run has are left: (K, rows, columns) bool.

    With a lower density, a random part; that of a lower one is a part of that of a higher one.
    """
    (matrix, was), (_, now) = _find(trained.program, where), _find(simulation.program, where)
    rows, columns = slice(*was.rows), slice(*was.columns)
    left = torch.ones(trained.networks, was.rows[1] - was.rows[0], was.columns[1] - was.columns[0]) > 0
    if now.density < was.density:
        for k, number in enumerate(_numbers(trained)):
            stream = WeightDraws(trained.seed, number, matrix.name, matrix.rows, matrix.columns, THINNING)
            left[k] = stream.uniforms[rows, columns] < now.density / was.density
    if not now.self_connections:
        left &= ~torch.eye(left.shape[1], dtype=torch.bool)
    return left


def _find(program: Program, where: WeightBlock) -> tuple[Matrix, Block]:
    (matrix,) = (matrix for matrix in matrices(program) if matrix.name == where.parameter)
    return matrix, next(block for block in matrix.blocks if block.name == where.name)


def _numbers(simulation: Simulation) -> range:
    return range(simulation.first_network, simulation.first_network + simulation.networks)


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
