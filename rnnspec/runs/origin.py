"""Beginning from trained networks: weights of a run, taken block by block into another ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.runs.manifest import Origin, StoredResult, origin_words
from rnnspec.runs.reader import StoredRun, open_run
from rnnspec.runs.weights import WeightBlock, blocks, shared_blocks, weights_to_bytes
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import WITHOUT_KERNEL


@dataclass(frozen=True)
class Source:
    """Trained networks, one for each network of an ensemble.

    numbers: of the networks, as the run numbers them.  part: the networks of the ensemble that are trained.
    """

    stored: StoredRun
    numbers: tuple[int, ...]
    part: range

    @property
    def words(self) -> str:
        """What the identity of the training depends on."""
        return origin_words(self.result.weights_sha256, self.numbers)

    @property
    def result(self) -> StoredResult:
        """What came of the run."""
        result = self.stored.manifest.result
        assert result is not None
        return result

    @property
    def used(self) -> tuple[int, ...]:
        """The numbers for the networks that are trained, counted from 0 in the run."""
        first = self.stored.manifest.first_network
        return tuple(number - first for number in self.numbers[self.part.start : self.part.stop])


def find_source(path: Path | str, chosen: Sequence[int] | None, ensemble: int, part: range) -> Source:
    """Read a run, and choose its networks.

    chosen: the numbers of the networks for an ensemble of so many, or of one for all; None: those with the
    same numbers, if both ensembles have the same size.  part: the networks of the ensemble that are trained.
    Raises RequestError for numbers that the run does not have, and what `open_run` raises.
    """
    stored = open_run(path, target=WITHOUT_KERNEL)
    run, first = stored.folder, stored.manifest.first_network
    has = range(first, first + stored.manifest.networks)
    whole = stored.specification.program.training.networks
    if chosen is None:
        if whole != ensemble or any(number not in has for number in part):
            fitting = has[:ensemble] if len(has) >= ensemble else has[:1]
            raise RequestError(
                f"{run} has {_those(has)}, and {_those(part)} would begin from it.",
                f"Choose networks with --from-networks, such as {_range(fitting)}: a number for each, or one "
                "for all.",
            )
        numbers = tuple(range(ensemble))
    else:
        if len(chosen) not in (1, ensemble):
            raise RequestError(
                f"--from-networks has {len(chosen):,} numbers, and the spec has {ensemble:,} networks.",
                "Give a number for each network, or one for all.",
            )
        numbers = tuple(chosen) if len(chosen) == ensemble else tuple(chosen) * ensemble
        if missing := [numbers[k] for k in part if numbers[k] not in has]:
            raise RequestError(f"{run} has no network {missing[0]}.", f"It has {_those(has)}.")
    return Source(stored, numbers, part)


@torch.no_grad()
def begin(simulation: Simulation, source: Source) -> tuple[Origin, bytes]:
    """Give an ensemble the weights and masks of trained networks; return what was taken, and a file of all.

    Blocks are matched by the names of their populations and channels.  Raises RequestError, which names every
    block that cannot be taken; then nothing is.
    """
    run, trained = source.stored.folder, source.stored.simulation
    mine, theirs = ([block.key for block in blocks(s.program.network)] for s in (simulation, trained))
    shared = list(shared_blocks(simulation.program.network, trained.program.network))
    if not shared:
        raise RequestError(
            f"No connection or population of the spec has the name of one in {run}.",
            f"{run} has: {', '.join(theirs)}.",
        )
    rows = torch.tensor(source.used)
    raw, other = dict(simulation.named_parameters()), dict(trained.named_parameters())
    effective = trained.weights()
    masks = simulation.mask.copies()
    weights: list[tuple[WeightBlock, Tensor]] = []
    refused = []
    same_rule = simulation.program.network.dale == trained.program.network.dale
    for here, there in shared:
        own, found = raw[here.parameter][here.place], effective[there.parameter][there.place][rows]
        if found.shape[1:] != own.shape[1:]:
            refused.append(f"{here.key} is {_size(own)} in the spec, and {_size(found)} in the run")
            continue
        if bool((found * here.sign < 0).any()):
            sign = "excitatory" if here.sign > 0 else "inhibitory"
            refused.append(f"{here.key} is {sign} in the spec, and has weights of the other sign in the run")
            continue
        as_trained = here.sign == there.sign and (same_rule or not here.sign)
        kept = (
            other[there.parameter][there.place][rows] if as_trained else found.abs() if here.sign else found
        )
        weights.append((here, kept))
        if here.matrix:
            masks[here.parameter][here.place] = trained.mask.full(there.parameter)[there.place][rows]
    if refused:
        raise RequestError(
            f"The networks of {run} do not fit the spec:\n" + "\n".join(f"  {line}" for line in refused),
            "Give populations and channels the sizes and signs that they have in the run, or other names, so "
            "that their weights are drawn.",
        )
    try:
        simulation.mask.take(masks, simulation.bias.device)
    except ValueError as error:
        remedy = "Give the connection the value of 'self' that it has in the run."
        raise RequestError(f"{run}: {error}", remedy) from None
    for block, values in weights:
        raw[block.parameter][block.place].copy_(values)
    data = weights_to_bytes(simulation, every_mask=True)
    taken = tuple(block.key for block, _ in shared)
    origin = Origin(
        run=str(run),
        identity=source.stored.manifest.identity,
        iterations=source.result.iterations,
        weights_sha256=source.result.weights_sha256,
        networks=source.numbers,
        taken=taken,
        drawn=tuple(key for key in mine if key not in taken),
        left=tuple(key for key in theirs if key not in taken),
        initial_sha256=sha256(data),
    )
    return origin, data


def remarks(origin: Origin, source: Source) -> Iterator[str]:
    """Yield what was taken, a line each."""
    yield f"Begins from {origin.run}, after {origin.iterations:,} iterations: {', '.join(origin.taken)}."
    if origin.drawn:
        yield f"The run lacks these, which are drawn as usual: {', '.join(origin.drawn)}."
    if origin.left:
        yield f"The spec lacks these, which are left out: {', '.join(origin.left)}."
    first = source.stored.manifest.first_network
    if lost := sorted({first + row for row in source.used if row in source.stored.diverged}):
        yield f"Networks that have diverged in that run: {', '.join(map(str, lost))}."


def _size(block: Tensor) -> str:
    return " x ".join(f"{n:,}" for n in block.shape[1:])


def _those(numbers: range) -> str:
    return f"network {numbers[0]}" if len(numbers) == 1 else f"networks {_range(numbers)}"


def _range(numbers: range) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
