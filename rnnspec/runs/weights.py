"""The weights file: the tensors of an ensemble, cut into one block for each pair of population and channel.

    w_rec/exc->inh   (K, units of inh, units of exc)       w_in/cue->exc   (K, units of exc, units of cue)
    w_out/exc->choice   (K, units of choice, units of exc)
    bias/exc   (K, units of exc)                           readout_bias/choice   (K, units of choice)

These are the weights that the network computes with.  Where a connection has a sign (Dale's law), what is
trained is another number, from which training would go on: it stands under `raw/w_rec/exc->inh`.  A
connection that does not exist has no tensor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import safetensors.torch
import torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Network
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
    for parameter, name, place, signed in _blocks(simulation.program.network):
        tensors[f"{parameter}/{name}"] = _cut(used[parameter], place)
        if signed:
            tensors[f"raw/{parameter}/{name}"] = _cut(raw[parameter], place)
    # One entry: safetensors writes several in an order that differs between processes.
    about = json.dumps({"format": 1, "axes": AXES}, sort_keys=True)
    return safetensors.torch.save(tensors, {"rnnspec": about})


def load_weights(simulation: Simulation, data: bytes, name: str) -> None:
    """Give an ensemble the weights of a file.  name: of the file, for messages."""
    try:
        tensors = parse_tensors(data)
    except NotSafetensors as error:
        raise RequestError(
            f"{name} is not a safetensors file: {error}.", "Restore the file from a copy."
        ) from None
    raw = dict(simulation.named_parameters())
    with torch.no_grad():
        for parameter, block, place, signed in _blocks(simulation.program.network):
            key = f"raw/{parameter}/{block}" if signed else f"{parameter}/{block}"
            target = raw[parameter][place]
            _check(tensors, key, target, name)
            target.copy_(tensors[key])


def _blocks(network: Network) -> Iterator[tuple[str, str, Slices, bool]]:
    """Yield the parameter, the name and the place of every block, and whether its weights have a sign."""
    everyone = slice(None)
    for matrix in (network.w_rec, network.w_in, network.w_out):
        for block in matrix.blocks:
            if block.present:
                place = (everyone, slice(*block.rows), slice(*block.columns))
                yield matrix.name, block.name.replace(" ", ""), place, block.sign is not None
    for population in network.populations:
        yield "bias", population.name, (everyone, slice(population.start, population.stop)), False
    if network.readout_bias:
        for output in network.outputs:
            yield "readout_bias", output.name, (everyone, slice(output.start, output.stop)), False


def _cut(tensor: Tensor, place: Slices) -> Tensor:
    return tensor.detach()[place].cpu().contiguous()


def _check(tensors: Mapping[str, Tensor], key: str, target: Tensor, name: str) -> None:
    found = tensors.get(key)
    if found is None or found.shape != target.shape:
        what = "has no" if found is None else f"has a tensor of another shape, {tuple(found.shape)}, for"
        raise RequestError(
            f"{name} {what} {key}: it does not belong to the spec beside it.",
            "Restore the run folder from a copy, or train again.",
        )
