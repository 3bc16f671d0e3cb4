"""Perturbations of a simulation: another initial state, and a current beside the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rnnspec.runtime.batch import Batch, Engine, Outcome


@dataclass(frozen=True)
class Perturbation:
    """What disturbs the networks; None for nothing.

    initial: the state before the first step, (K, B, N).  current: added to the input of each unit in each
    step, (K, B, T, N), inside f; steps are those of each sequence, and after the last of T nothing is added.
    """

    initial: Tensor | None = None
    current: Tensor | None = None

    @classmethod
    def of(
        cls, initial: Tensor | None, current: Tensor | None, like: Tensor, sequences: int
    ) -> Perturbation | None:
        """Return a perturbation from the arguments of a simulation; None if there is none.

        like: any weights (K, N).  Raises TypeError or ValueError for what has another shape.
        """
        if initial is None and current is None:
            return None
        return cls(
            None if initial is None else _fitted("initial", initial, "(K, B, N)", like, sequences),
            None if current is None else _fitted("current", current, "(K, B, T, N)", like, sequences),
        )

    def current_of(self, steps: int) -> Tensor | None:
        """Return the current in so many steps, (K, B, steps, N); ValueError if it has more."""
        if self.current is None:
            return None
        given = self.current.shape[2]
        if given > steps:
            raise ValueError(f"current has {given:,} steps, and the longest sequence {steps:,}.")
        return torch.nn.functional.pad(self.current, (0, 0, 0, steps - given))


class PerturbableEngine(Engine, Protocol):
    """An engine that can be perturbed."""

    def run(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        *,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
        perturbation: Perturbation | None = None,
    ) -> Outcome:
        """Simulate one batch; see `batch.Engine`."""
        ...


def _fitted(name: str, value: Tensor, axes: str, like: Tensor, sequences: int) -> Tensor:
    """Return a tensor of every network and sequence, in the dtype and on the device of `like`."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} takes a tensor {axes}, not {type(value).__name__}.")
    networks, units = like.shape
    wanted = (networks, sequences, *value.shape[2:-1], units)
    sizes = tuple(value.shape)
    fits = len(sizes) == axes.count(",") + 1 and sizes[-1] == units
    if not fits or sizes[0] not in (1, networks) or sizes[1] not in (1, sequences):
        raise ValueError(
            f"{name} has the shape {sizes}, and takes {axes} with K = {networks} or 1, B = {sequences} or 1, "
            f"N = {units}."
        )
    return value.to(like).expand(wanted)
