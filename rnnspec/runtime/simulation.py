"""A compiled simulation: an ensemble of networks as a torch module."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import torch
from torch import Tensor, nn

from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome, Stage
from rnnspec.runtime.parameters import effective, initial_weights, structure
from rnnspec.runtime.targets import Target, choose


def true_dynamics(program: Program) -> Stage:
    """Return the stage without coarsening and skips: the base model at the base dt."""
    return Stage(Fraction(1), (1.0,) * len(program.skips))


class Simulation(nn.Module):
    """K networks of one program, with trainable raw weights.

    w_rec: (K, N, N), from the second unit to the first.  w_in: (K, N, C_in).  w_out: (K, C_out, N).
    bias: (K, N).  readout_bias: (K, C_out), only if the program has one.  Masks, signs and frozen
    connections are applied by `weights()`.
    """

    def __init__(
        self,
        program: Program,
        *,
        networks: int | None = None,
        first_network: int = 0,
        seed: int | None = None,
        target: Target | None = None,
        wanted: Target | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Draw the initial weights of an ensemble.

        networks, seed: the spec's if not given.  first_network: network 0 of this ensemble gets the
        weights and noise of that network of a larger one.  target: the best that the machine has if not given;
        wanted: the same, if this one cannot be had.
        """
        super().__init__()
        self.program = program
        self.networks = program.training.networks if networks is None else networks
        self.first_network = first_network
        self.seed = program.training.seed if seed is None else seed
        chosen = choose(program, target, device, dtype, wanted=wanted)
        self.target, self.engine, self.note = chosen.target, chosen.engine, chosen.note
        drawn = initial_weights(program, self.networks, self.seed, first_network, dtype)
        for name, value in drawn.items():
            self.register_parameter(name, nn.Parameter(value.to(device)))
        self.structure = structure(program, self.networks, self.seed, first_network).to(device)

    def weights(self) -> dict[str, Tensor]:
        """Return the effective weights by name: masked, signed, frozen ones detached."""
        return effective(dict(self.named_parameters()), self.structure, self.program.network.dale)

    def forward(
        self,
        sequences: int | None = None,
        *,
        purpose: Literal["train", "evaluate", "simulate"] = "simulate",
        iteration: int = 0,
        stage: Stage | None = None,
        networks: range | None = None,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
    ) -> Outcome:
        """Simulate one batch of fresh trials; differentiable with respect to the parameters.

        sequences: B, the spec's batch if not given.  stage: the true dynamics if not given.  networks: some
        in a row, counted from 0 in this ensemble; all if not given.  record: also return rates, outputs and
        inputs, for a loss of your own.  The random numbers depend on purpose and iteration alone: the same
        call gives the same trials and noise.
        """
        batch = Batch(
            sequences=self.program.training.batch if sequences is None else sequences,
            seed=self.seed,
            iteration=iteration,
            purpose=purpose,
            stage=true_dynamics(self.program) if stage is None else stage,
            first_network=self.first_network + (0 if networks is None else networks.start),
        )
        weights = self.weights()
        if networks is not None:
            weights = {name: weight[networks.start : networks.stop] for name, weight in weights.items()}
        return self.engine.run(weights, batch, record=record, forced_reads=forced_reads)
