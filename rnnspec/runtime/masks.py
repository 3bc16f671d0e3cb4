"""The masks of an ensemble: which connections exist.  They are saved and loaded with its weights.

Masks follow from the spec and, where a connection has a density, from the seed.  Weights that are loaded into
an ensemble with other masks would lose connections without notice, so masks are compared when weights are
loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rnnspec.program.nodes import Matrix, Program
from rnnspec.runtime.effective_weights import matrices, permitted

#: What is done with the masks of a state that is loaded: see `Simulation.load_state_dict`.
MaskChoice = Literal["check", "loaded", "own"]
MASK_CHOICES: tuple[MaskChoice, ...] = ("check", "loaded", "own")

_ADVICE = (
    "load_state_dict(..., masks='loaded') takes the masks of the state, and masks='own' keeps those of this "
    "ensemble"
)


class Masks(nn.Module):
    """The masks of w_rec, w_in and w_out by name, as buffers.

    Each is (K', R, C) bool, where K' is 1 if all networks have the same; None if every connection exists.
    """

    def __init__(self, program: Program, networks: int, masks: Mapping[str, Tensor | None]) -> None:
        super().__init__()
        self.program = program
        self.networks = networks
        for name, mask in masks.items():
            self.register_buffer(name, mask)

    def by_name(self) -> dict[str, Tensor]:
        """Return the masks in which some connection does not exist."""
        return dict(self.named_buffers())

    def full(self, name: str) -> Tensor:
        """Return the mask of one matrix for every network: (K, R, C) bool, on the CPU."""
        (matrix,) = (matrix for matrix in matrices(self.program) if matrix.name == name)
        return self._full(matrix, self.by_name()).expand(self.networks, -1, -1)

    def copies(self) -> dict[str, Tensor]:
        """Return a copy of the mask of each matrix for every network: (K, R, C) bool, on the CPU."""
        return {str(matrix.name): self.full(matrix.name).clone() for matrix in matrices(self.program)}

    def differences(self, others: Mapping[str, Tensor]) -> list[str]:
        """Return in which connections other masks differ from these, a clause for each.

        others: by name; a mask that is not there has every connection.
        """
        found = []
        own = self.by_name()
        for matrix in matrices(self.program):
            try:
                differ = self._full(matrix, own) != self._full(matrix, others)
            except ValueError as error:
                found.append(str(error))
                continue
            for block in matrix.blocks:
                part = differ[:, slice(*block.rows), slice(*block.columns)]
                if bool(part.any()):
                    count, entries = int(part.sum()), part.numel()
                    what = f"{count:,} of {entries:,} entries differ"
                    found.append(f"the connection '{block.name}' has another mask: {what}")
        return found

    def take(self, others: Mapping[str, Tensor], device: torch.device) -> None:
        """Replace these masks.  Raises ValueError if one has a connection that the spec does not have."""
        taken = {matrix.name: self._full(matrix, others) for matrix in matrices(self.program)}
        for matrix in matrices(self.program):
            extra = taken[matrix.name] & ~permitted(matrix)
            for block in matrix.blocks:
                if bool(extra[:, slice(*block.rows), slice(*block.columns)].any()):
                    raise ValueError(
                        f"The loaded mask of '{block.name}' has connections that the spec does not have."
                    )
        for name, mask in taken.items():
            self._buffers[name] = None if bool(mask.all()) else mask.clone().to(device)

    def fitted(self, state: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return a state with these masks in place of its own.

        Connections that exist in both have the weights of the state, those that exist only here have
        `weights`, and all others 0.
        """
        own, others, fitted = self.by_name(), masks_of(state), dict(state)
        for matrix in matrices(self.program):
            name, given = matrix.name, state.get(matrix.name)
            fitted.pop(f"mask.{name}", None)
            if name in own:
                fitted[f"mask.{name}"] = own[name]
            if isinstance(given, Tensor) and given.shape == weights[name].shape:
                here, there = (self._full(matrix, masks).to(given.device) for masks in (own, others))
                mine = torch.where(here, weights[name].detach().to(given), 0.0)
                fitted[name] = torch.where(here & there, given, mine)
        return fitted

    def _full(self, matrix: Matrix, masks: Mapping[str, Tensor]) -> Tensor:
        """Return the mask of a matrix, of ones if there is none, on the CPU.  Raises ValueError."""
        mask = masks.get(matrix.name)
        if mask is None:
            return torch.ones(1, matrix.rows, matrix.columns, dtype=torch.bool)
        if mask.dtype != torch.bool or mask.shape[1:] != (matrix.rows, matrix.columns):
            raise ValueError(f"the mask of {matrix.name} has another shape or type")
        if len(mask) not in (1, self.networks):
            raise ValueError(f"the mask of {matrix.name} is that of {len(mask):,} networks")
        return mask.cpu()

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Compare the masks of a state with these; torch calls this for every part of a module."""
        given = {k.removeprefix(prefix): v for k, v in state_dict.items() if k.startswith(prefix)}
        if strict:
            unexpected_keys += [f"{prefix}{name}" for name in given.keys() - self._buffers.keys()]
        if differences := self.differences(given):
            error_msgs += [*differences, _ADVICE]


def masks_of(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the masks in the state of a simulation, by name of the matrix."""
    return {name.removeprefix("mask."): mask for name, mask in state.items() if name.startswith("mask.")}


def require_same(masks: Masks, state: Mapping[str, Any]) -> None:
    """Raise RuntimeError, before anything is loaded, if the masks of a state are others."""
    if differences := masks.differences(masks_of(state)):
        lines = "\n".join(f"  {line}" for line in (*differences, _ADVICE))
        raise RuntimeError(f"The state has other masks than this ensemble:\n{lines}")
