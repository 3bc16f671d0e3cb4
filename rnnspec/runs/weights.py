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

import safetensors.torch
import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Network
from rnnspec.runs.record import RESTORE
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


def weights_to_bytes(simulation: Simulation) -> bytes:
    """Return the weights file of an ensemble; the same weights give the same bytes."""
    with torch.no_grad():
        used = simulation.weights()
    raw = dict(simulation.named_parameters())
    tensors: dict[str, Tensor] = {}
    for block in _blocks(simulation.program.network):
        tensors[block.key] = _cut(used[block.parameter], block.place)
        if block.signed:
            tensors[f"raw/{block.key}"] = _cut(raw[block.parameter], block.place)
        if block.sparse:
            tensors[f"mask/{block.key}"] = _cut(simulation.mask.full(block.parameter), block.place)
    # One entry: safetensors writes several in an order that differs between processes.
    about = json.dumps({"format": 2, "axes": AXES}, sort_keys=True)
    return safetensors.torch.save(tensors, {"rnnspec": about})


def load_weights(simulation: Simulation, data: bytes, name: str) -> None:
    """Load the weights of a file into an ensemble of the same spec and seed.  name: that of the file.

    Raises RequestError for tensors of another spec, and for masks that the spec and the seed do not give.
    """
    try:
        tensors = parse_tensors(data)
    except NotSafetensors as error:
        raise RequestError(
            f"{name} is not a safetensors file: {error}.", "Restore the file from a copy."
        ) from None
    raw = dict(simulation.named_parameters())
    blocks = list(_blocks(simulation.program.network))
    for block in blocks:
        _check(tensors, block.trained_key, raw[block.parameter][block.place], name)
        if block.sparse:
            own = simulation.mask.full(block.parameter)[block.place]
            _check(tensors, f"mask/{block.key}", own, name)
            _check_mask(block, tensors[f"mask/{block.key}"], own, name)
    with torch.no_grad():
        for block in blocks:
            raw[block.parameter][block.place].copy_(tensors[block.trained_key])


@dataclass(frozen=True)
class _Block:
    """One tensor of the file.

    parameter, place: where it lies in the ensemble.  name: of the connection or population.  signed: whether
    its weights have a fixed sign.  sparse: whether it has a density below 1.
    """

    parameter: str
    name: str
    place: Slices
    signed: bool = False
    sparse: bool = False

    @property
    def key(self) -> str:
        return f"{self.parameter}/{self.name.replace(' ', '')}"

    @property
    def trained_key(self) -> str:
        """The key of the tensor that training changes."""
        return f"raw/{self.key}" if self.signed else self.key


def _blocks(network: Network) -> Iterator[_Block]:
    everyone = slice(None)
    for matrix in (network.w_rec, network.w_in, network.w_out):
        for block in matrix.blocks:
            if block.present:
                place = (everyone, slice(*block.rows), slice(*block.columns))
                yield _Block(matrix.name, block.name, place, block.sign is not None, block.density < 1)
    for population in network.populations:
        yield _Block("bias", population.name, (everyone, slice(population.start, population.stop)))
    if network.readout_bias:
        for output in network.outputs:
            yield _Block("readout_bias", output.name, (everyone, slice(output.start, output.stop)))


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


def _check_mask(block: _Block, found: Tensor, own: Tensor, name: str) -> None:
    count = int((found != own).sum())
    if count:
        raise RequestError(
            f"{name}: the connection '{block.name}' has another mask than the spec and its seed give: "
            f"{count:,} of {own.numel():,} entries differ.",
            RESTORE,
        )
