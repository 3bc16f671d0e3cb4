"""Beginning from trained networks: weights of a run, taken block by block into another ensemble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.runs.manifest import Manifest, Origin, origin_words, read_manifest
from rnnspec.runs.reader import StoredRun, open_run
from rnnspec.runs.weights import blocks, weights_to_bytes
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import WITHOUT_KERNEL


@dataclass(frozen=True)
class Source:
    """Trained networks, one for each network of an ensemble.

    numbers: of the networks, as the run numbers them.  part: the networks of the ensemble that are trained.
    """

    stored: StoredRun
    manifest: Manifest
    numbers: tuple[int, ...]
    part: range

    @property
    def words(self) -> str:
        """What the identity of the training depends on."""
        assert self.manifest.result is not None
        return origin_words(self.manifest.result.weights_sha256, self.numbers)


def find_source(path: Path | str, chosen: Sequence[int] | None, ensemble: int, part: range) -> Source:
    """Read a run, and choose its networks.

    chosen: the numbers of the networks for an ensemble of so many, or of one for all; None: those with the
    same numbers, if both ensembles have the same size.  part: the networks of the ensemble that are trained.
    Raises RequestError for numbers that the run does not have, and what `open_run` raises.
    """
    stored, manifest = open_run(path, target=WITHOUT_KERNEL), read_manifest(Path(path))
    run, first = stored.folder, manifest.first_network
    has = range(first, first + manifest.networks)
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
    return Source(stored, manifest, numbers, part)


@torch.no_grad()
def begin(simulation: Simulation, source: Source) -> tuple[Origin, bytes]:
    """Give an ensemble the weights and masks of trained networks; return what was taken, and a file of all.

    Blocks are matched by the names of their populations and channels.  Raises RequestError, which names every
    block that cannot be taken; then nothing is.
    """
    mine = {block.key: block for block in blocks(simulation.program.network)}
    theirs = {block.key: block for block in blocks(source.stored.specification.program.network)}
    shared = [key for key in mine if key in theirs]
    run, trained = source.stored.folder, source.stored.simulation
    if not shared:
        raise RequestError(
            f"No connection or population of the spec has the name of one in {run}.",
            f"{run} has: {', '.join(theirs)}.",
        )
    used = source.numbers[source.part.start : source.part.stop]
    rows = torch.tensor(used) - source.manifest.first_network
    raw, other = dict(simulation.named_parameters()), dict(trained.named_parameters())
    effective = trained.weights()
    masks = simulation.mask.copies()
    weights: dict[str, Tensor] = {}
    refused = []
    same_rule = simulation.program.network.dale == trained.program.network.dale
    for key in shared:
        here, there = mine[key], theirs[key]
        own, found = raw[here.parameter][here.place], effective[there.parameter][there.place][rows]
        if found.shape[1:] != own.shape[1:]:
            refused.append(f"{key} is {_size(own)} in the spec, and {_size(found)} in the run")
            continue
        if bool((found * here.sign < 0).any()):
            sign = "excitatory" if here.sign > 0 else "inhibitory"
            refused.append(f"{key} is {sign} in the spec, and has weights of the other sign in the run")
            continue
        as_trained = here.sign == there.sign and (same_rule or not here.sign)
        weights[key] = (
            other[there.parameter][there.place][rows] if as_trained else found.abs() if here.sign else found
        )
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
    for key, values in weights.items():
        raw[mine[key].parameter][mine[key].place].copy_(values)
    data, result = weights_to_bytes(simulation, every_mask=True), source.manifest.result
    assert result is not None
    origin = Origin(
        run=str(run),
        identity=source.manifest.identity,
        iterations=result.iterations,
        weights_sha256=result.weights_sha256,
        networks=source.numbers,
        taken=tuple(shared),
        drawn=tuple(key for key in mine if key not in theirs),
        left=tuple(key for key in theirs if key not in mine),
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
    first = source.manifest.first_network
    used = source.numbers[source.part.start : source.part.stop]
    if lost := sorted({n for n in used if n - first in source.stored.diverged}):
        yield f"Networks that have diverged in that run: {', '.join(map(str, lost))}."


def _size(block: Tensor) -> str:
    return " x ".join(f"{n:,}" for n in block.shape[1:])


def _those(numbers: range) -> str:
    return f"network {numbers[0]}" if len(numbers) == 1 else f"networks {_range(numbers)}"


def _range(numbers: range) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
