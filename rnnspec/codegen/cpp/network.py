"""The constants of a kernel about the network: sizes, activations, noise and the layout of the outputs."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspec.codegen.cpp.activations import VectorFunction, vector_function
from rnnspec.codegen.cpp.bands import Band, Place, bands_of, places_of
from rnnspec.codegen.cpp.objective import boolean
from rnnspec.program.nodes import Matrix, Network
from rnnspec.spec.activations import ACTIVATIONS


@dataclass(frozen=True)
class Noise:
    """The noise of units.  formula: what a step does to it, as a comment."""

    kind: str
    formula: str


@dataclass(frozen=True)
class NetworkConstants:
    """What the templates need to know of the network, under the names that they use.

    driven: the first and last + 1 of the units that have inputs.  read: the same of those that are read out.
    channels: the output channels.  activations: all functions that are used.  activation: that of the units.
    rectified, switched: `rectified` and `switch` of the activation of the units, as C++.
    """

    units: int
    inputs: int
    outputs: int
    driven: tuple[int, int]
    read: tuple[int, int]
    bands: tuple[Band, ...]
    channels: tuple[Place, ...]
    activations: tuple[VectorFunction, ...]
    activation: str
    rectified: str
    switched: str
    noise: Noise


def network_constants(network: Network) -> NetworkConstants:
    """Return the constants about the network."""
    bands, own = bands_of(network.outputs), ACTIVATIONS[network.activation.name]
    return NetworkConstants(
        units=network.units,
        inputs=network.input_units,
        outputs=network.output_units,
        driven=connected(network.w_in, rows=True),
        read=connected(network.w_out, rows=False),
        bands=bands,
        channels=places_of(bands),
        activations=_activations(network),
        activation=vector_function(network.activation).name,
        rectified=boolean(own.rectified),
        switched=boolean(own.switch),
        noise=_noise(network),
    )


def _activations(network: Network) -> tuple[VectorFunction, ...]:
    used = (network.activation, *(channel.activation for channel in network.outputs))
    return tuple(dict.fromkeys(vector_function(a) for a in used if not ACTIVATIONS[a.name].distribution))


def connected(matrix: Matrix, rows: bool) -> tuple[int, int]:
    """Return the first and last + 1 of the units on one side of a matrix that have any connection."""
    found = [block.rows if rows else block.columns for block in matrix.blocks if block.present]
    return (min(first for first, _ in found), max(last for _, last in found)) if found else (0, 0)


def _noise(network: Network) -> Noise:
    formula = {
        "none": "",
        "ou": "eta(s) = keep eta(s - 1) + gain xi(s), eta(0) = start xi",
        "white": "gain xi(s)",
    }
    return Noise(network.noise.kind, formula[network.noise.kind])
