"""Conditions: which one each sequence of a batch has, and performance by condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnspec.analysis.recording import NamedArray
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Grid


@dataclass(frozen=True)
class DealtConditions:
    """The conditions of a batch.

    names: the variables.  values: a row for each condition, a column for each variable.  of_sequence: (B,),
    the number of the condition of each sequence, counted from 0.
    """

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    of_sequence: Tensor

    def performance(self, trials: Tensor) -> Tensor:
        """Return the performance in each condition, (K, conditions); NaN where no trial is scored.

        trials: (K, B, trials), NaN where a trial is not scored.
        """
        each = [trials[:, self.of_sequence == c].nanmean((1, 2)) for c in range(len(self.values))]
        return torch.stack(each, 1)

    def arrays(self) -> dict[str, NamedArray]:
        """Return `condition` (sequence), and of each variable `condition/NAME` (condition)."""
        found = {"condition": NamedArray(self.of_sequence.numpy(), ("sequence",))}
        for column, name in enumerate(self.names):
            values = np.array([row[column] for row in self.values])
            found[f"condition/{name}"] = NamedArray(values, ("condition",))
        return found


def balanced_sequences(grid: Grid | None, sequences: int | None, usual: int) -> int:
    """Return how many sequences to simulate: as asked, or as usual, enough to balance the conditions.

    Raises RequestError if there are fewer than conditions.
    """
    count = 1 if grid is None else len(grid.values)
    if sequences is None:
        return -(-usual // count) * count
    if sequences < count:
        few = "1 sequence" if sequences == 1 else f"{sequences:,} sequences"
        raise RequestError(
            f"{few} cannot hold {count:,} conditions.",
            f"Ask for at least {count:,} sequences; a multiple of it has each condition equally often.",
        )
    return sequences


def dealt(
    grid: Grid | None, variables: Mapping[str, Tensor]
) -> tuple[DealtConditions | None, dict[str, Tensor]]:
    """Return the conditions of a batch, and its variables without the one that holds their number.

    variables: (K', B, trials) by name.
    """
    rest = dict(variables)
    if grid is None:
        return None, rest
    number = rest.pop(grid.number)[0, :, 0].cpu().round().to(torch.int64)
    return DealtConditions(grid.names, grid.values, number), rest
