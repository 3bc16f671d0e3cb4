"""The weights file: the tensors of an ensemble, cut into one block for each pair of population and channel.

    w_rec/exc->inh   (K, units of inh, units of exc)       w_in/cue->exc   (K, units of exc, units of cue)
    w_out/exc->choice   (K, units of choice, units of exc)
    bias/exc   (K, units of exc)                           readout_bias/choice   (K, units of choice)

These are the effective weights.  Where a connection has a sign (Dale's law), the raw weights, which training
changes, are there too, as `raw/w_rec/exc->inh`.  Where it has a density, `mask/w_rec/exc->inh` (bool) says
which units are connected.  A connection that the spec excludes has no tensor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Network
from rnnspec.runs.checkpoint import TrainingState
from rnnspec.runs.layout import INITIAL
from rnnspec.runs.manifest import Manifest, damage_of
from rnnspec.runs.record import RESTORE
from rnnspec.runs.regular import read_regular
from rnnspec.runs.tensors import NotSafetensors, parse_tensors
from rnnspec.runtime.simulation import Simulation

#: The axes of each kind of tensor, by the beginning of its name.
AXES = {
    "w_rec": ["network", "unit of the second population", "unit of the first population"],
    "w_in": ["network", "unit of the population", "unit of the input"],
    "w_out": ["network", "unit of the output", "unit of the population"],
    "bias": ["network", "unit of the population"],
    "readout_bias": ["network", "unit of the output"],
}

Slices = tuple[slice, ...]


def weights_to_bytes(simulation: Simulation, *, every_mask: bool = False) -> bytes:
    """Return the weights file of an ensemble; the same weights give the same bytes.

    every_mask: write the masks of all connections, for a file that an ensemble with other masks will load.
    """
    with torch.no_grad():
        used = simulation.weights()
    raw = dict(simulation.named_parameters())
    tensors: dict[str, Tensor] = {}
    for block in blocks(simulation.program.network):
        tensors[block.key] = _cut(used[block.parameter], block.place)
        if block.sign:
            tensors[f"raw/{block.key}"] = _cut(raw[block.parameter], block.place)
        if block.sparse or (every_mask and block.matrix):
            tensors[f"mask/{block.key}"] = _cut(simulation.mask.full(block.parameter), block.place)
    # One entry: safetensors writes several in an order that differs between processes.
    about = json.dumps({"format": 2, "axes": AXES}, sort_keys=True)
    return safetensors.torch.save(tensors, {"rnnspec": about})


def load_weights(simulation: Simulation, data: bytes, name: str) -> None:
    """Load the weights of a file into an ensemble of the same spec and masks.  name: that of the file.

    Raises RequestError for tensors of another spec, and for masks that the ensemble does not have.
    """
    tensors = _parsed(data, name)
    for block in blocks(simulation.program.network):
        if block.sparse:
            own = simulation.mask.full(block.parameter)[block.place]
            _check(tensors, f"mask/{block.key}", own, name)
            _check_mask(block, tensors[f"mask/{block.key}"], own, name)
    _load(simulation, tensors, name)


def restore_initial(simulation: Simulation, folder: Path, manifest: Manifest) -> None:
    """Give the ensemble of a run the weights and masks with which it began, if it did not draw them.

    Raises RequestError if the file is not the one that was written, or does not fit the spec.
    """
    if manifest.origin is None:
        return
    if damage := damage_of(folder, manifest, INITIAL):
        raise RequestError(f"{damage}.", RESTORE)
    data, name = read_regular(folder / INITIAL), str(folder / INITIAL)
    tensors = _parsed(data, name)
    masks = simulation.mask.copies()
    for block in blocks(simulation.program.network):
        if block.matrix:
            mask = masks[block.parameter][block.place]
            _check(tensors, f"mask/{block.key}", mask, name)
            mask.copy_(tensors[f"mask/{block.key}"])
    try:
        simulation.mask.take(masks, simulation.bias.device)
    except ValueError as error:
        raise RequestError(f"{name} does not belong to the spec beside it: {error}", RESTORE) from None
    _load(simulation, tensors, name)


def _parsed(data: bytes, name: str) -> Mapping[str, Tensor]:
    try:
        return parse_tensors(data)
    except NotSafetensors as error:
        raise RequestError(
            f"{name} is not a safetensors file: {error}.", "Restore the file from a copy."
        ) from None


def _load(simulation: Simulation, tensors: Mapping[str, Tensor], name: str) -> None:
    raw = dict(simulation.named_parameters())
    found = list(blocks(simulation.program.network))
    for block in found:
        _check(tensors, block.trained_key, raw[block.parameter][block.place], name)
    with torch.no_grad():
        for block in found:
            raw[block.parameter][block.place].copy_(tensors[block.trained_key])


def load_state(simulation: Simulation, state: TrainingState, run: Path) -> None:
    """Load the raw weights of a checkpoint into an ensemble of the same spec and seed.

    Raises RequestError if they belong to another spec.
    """
    prefixes = {"weights/": "", "mask/": "mask."}
    own = {
        new + name.removeprefix(old): tensor
        for name, tensor in state.tensors.items()
        for old, new in prefixes.items()
        if name.startswith(old)
    }
    try:
        simulation.load_state_dict(own)
    except RuntimeError as error:
        raise RequestError(
            f"The checkpoint of iteration {state.completed:,} of {run} does not fit the spec beside it: "
            f"{str(error).splitlines()[-1].strip()}",
            RESTORE,
        ) from None


@dataclass(frozen=True)
class WeightBlock:
    """One tensor of the file.

    parameter, place: where it lies in the ensemble.  name: of the connection or population.  matrix: whether
    it is a connection.  sign: of its weights, +1 or -1, or 0 if it is free.  sparse: whether it has a density
    below 1.
    """

    parameter: str
    name: str
    place: Slices
    matrix: bool = False
    sign: int = 0
    sparse: bool = False

    @property
    def key(self) -> str:
        return f"{self.parameter}/{self.name.replace(' ', '')}"

    @property
    def trained_key(self) -> str:
        """The key of the tensor that training changes."""
        return f"raw/{self.key}" if self.sign else self.key


def blocks(network: Network) -> Iterator[WeightBlock]:
    """Yield the tensors that the weights of a network are cut into."""
    everyone, signs = slice(None), {"excitatory": 1, "inhibitory": -1, None: 0}
    for matrix in (network.w_rec, network.w_in, network.w_out):
        for block in matrix.blocks:
            if block.present:
                place = (everyone, slice(*block.rows), slice(*block.columns))
                yield WeightBlock(matrix.name, block.name, place, True, signs[block.sign], block.density < 1)
    for population in network.populations:
        yield WeightBlock("bias", population.name, (everyone, slice(population.start, population.stop)))
    if network.readout_bias:
        for output in network.outputs:
            yield WeightBlock("readout_bias", output.name, (everyone, slice(output.start, output.stop)))


def shared_blocks(here: Network, there: Network) -> Iterator[tuple[WeightBlock, WeightBlock]]:
    """Yield the tensors that two networks have in common, by name: where each lies here, and there."""
    theirs = {block.key: block for block in blocks(there)}
    for block in blocks(here):
        if block.key in theirs:
            yield block, theirs[block.key]


def _cut(tensor: Tensor, place: Slices) -> Tensor:
    return tensor.detach()[place].cpu().contiguous()


def _check(tensors: Mapping[str, Tensor], key: str, like: Tensor, name: str) -> None:
    """Refuse a file without a tensor of some shape and type of number."""
    found = tensors.get(key)
    if found is None:
        what = "has no"
    elif found.shape != like.shape:
        what = f"has a tensor of another shape, {tuple(found.shape)}, for"
    elif found.dtype != like.dtype:
        what = f"has numbers of another type, {str(found.dtype).removeprefix('torch.')}, for"
    else:
        return
    raise RequestError(f"{name} {what} {key}: it does not belong to the spec beside it.", RESTORE)


def _check_mask(block: WeightBlock, found: Tensor, own: Tensor, name: str) -> None:
    count = int((found != own).sum())
    if count:
        raise RequestError(
            f"{name}: the connection '{block.name}' has another mask than the spec and its seed give: "
            f"{count:,} of {own.numel():,} entries differ.",
            RESTORE,
        )
