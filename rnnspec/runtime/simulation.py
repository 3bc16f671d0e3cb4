"""A compiled simulation: an ensemble of networks as a torch module."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import torch
from torch import Tensor, nn

from rnnspec.program.nodes import Program
from rnnspec.runtime import dynamics
from rnnspec.runtime.arguments import choice, whole_number
from rnnspec.runtime.batch import PURPOSES, Batch, BatchPurpose, Outcome, Stage
from rnnspec.runtime.compiled.origin import KernelOrigin
from rnnspec.runtime.device import DTYPES, REALS
from rnnspec.runtime.effective_weights import Structure, effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.masks import MASK_CHOICES, MaskChoice, Masks, masks_of, require_same
from rnnspec.runtime.noise import LAST_ITERATION
from rnnspec.runtime.perturbation import PerturbableEngine, Perturbation
from rnnspec.runtime.targets import RECORDS, TARGETS, Target, choose_target, make_engine, perturbing_target


def true_dynamics(program: Program) -> Stage:
    """Return the stage without coarsening and skips: the base model at the base dt."""
    return Stage(Fraction(1), (1.0,) * len(program.skips))


class Simulation(nn.Module):
    """K networks of one program, with trainable raw weights.

    w_rec: (K, N, N), from the second unit to the first.  w_in: (K, N, C_in).  w_out: (K, C_out, N).
    bias: (K, N).  readout_bias: (K, C_out), only if the program has one.  mask: which connections
    exist, saved with the weights.  `weights()` applies masks, signs and frozen connections.
    """

    w_rec: nn.Parameter
    w_in: nn.Parameter
    w_out: nn.Parameter
    bias: nn.Parameter

    def __init__(
        self,
        program: Program,
        *,
        networks: int | None = None,
        first_network: int = 0,
        seed: int | None = None,
        target: Target | None = None,
        preferred: Target | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        """Draw the initial weights of an ensemble.

        networks, seed: the spec's if not given.  first_network: network 0 of this ensemble gets the
        weights and noise of that network of a larger one.  target: the best that the machine has if not
        given; preferred: likewise, if this one cannot be had.  dtype: float32 or float64.
        """
        super().__init__()
        self.program = program
        self.networks = (
            program.training.networks if networks is None else whole_number("networks", networks, 1)
        )
        self.first_network = whole_number("first_network", first_network, 0)
        self.seed = program.training.seed if seed is None else whole_number("seed", seed, 0, 2**32 - 1)
        choice("dtype", dtype, DTYPES.values())
        if target is not None:
            choice("target", target, TARGETS)
        chosen = choose_target(program, target, device, REALS[dtype], preferred=preferred)
        self.target, self.note = chosen.target, chosen.note
        self.engine = make_engine(program, chosen.target, device)
        self._stand_in: PerturbableEngine | None = None
        self._device = torch.device(device)
        drawn = initial_weights(program, self.networks, self.seed, first_network, dtype)
        for name, value in drawn.items():
            self.register_parameter(name, nn.Parameter(value.to(device)))
        self._structure = structure(program, self.networks, self.seed, first_network).to(device)
        masks = {name: matrix.mask for name, matrix in self._structure.matrices.items()}
        self.mask = Masks(program, self.networks, masks)

    @property
    def device(self) -> torch.device:
        """Where it computes.  Without a number, `cuda` stands for all GPUs that are alike."""
        here = self.bias.device
        return self._device if self._device in (here, torch.device(here.type)) else here

    @property
    def kernel(self) -> KernelOrigin | None:
        """What the bits of its compiled kernel depend on; None if there is no kernel."""
        return self.engine.origin(next(self.parameters()).dtype)

    @property
    def structure(self) -> Structure:
        """Which connections exist, are frozen or have a fixed sign."""
        masks = self.mask.by_name()
        # It stays there: the next iteration would wait for another copy.
        self._structure = self._structure.to(self.bias.device)
        return Structure(
            {name: replace(matrix, mask=masks.get(name)) for name, matrix in self._structure.matrices.items()}
        )

    def weights(self) -> dict[str, Tensor]:
        """Return the effective weights by name: masked, signed, frozen ones detached."""
        return effective(dict(self.named_parameters()), self.structure, self.program.network.dale)

    def load_state_dict(
        self,
        state_dict: Mapping[str, Any],
        strict: bool = True,
        assign: bool = False,
        *,
        masks: MaskChoice = "check",
    ) -> Any:
        """Load raw weights and masks, as `torch.nn.Module.load_state_dict` does.

        masks: what to do if the masks of the state differ from those of this ensemble.  `check`: raise
        RuntimeError, which names the connections, and load nothing.  `loaded`: take the masks of the state;
        ValueError if they have connections that the spec does not have.  `own`: keep the masks of this
        ensemble; connections that exist only in them keep their weights, and the other weights are dropped.
        """
        choice("masks", masks, MASK_CHOICES)
        before = dict(self.mask._buffers)
        if masks == "loaded":
            self.mask.take(masks_of(state_dict), self.bias.device)
        elif masks == "own":
            state_dict = self.mask.fitted(state_dict, dict(self.named_parameters()))
        try:
            require_same(self.mask, state_dict)
            return super().load_state_dict(state_dict, strict, assign)
        except BaseException:
            self.mask._buffers.update(before)
            raise

    def forward(
        self,
        sequences: int | None = None,
        *,
        purpose: BatchPurpose = "simulate",
        iteration: int = 0,
        stage: Stage | None = None,
        networks: range | None = None,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
        initial: Tensor | None = None,
        current: Tensor | None = None,
    ) -> Outcome:
        """Simulate one batch of fresh trials; differentiable with respect to the parameters.

        sequences: B, the spec's batch if not given.  stage: the true dynamics if not given.  networks: some
        in a row, counted from 0 in this ensemble; all if not given.  record: also return rates, outputs and
        inputs, for a loss of your own.  The random numbers depend on purpose and iteration alone: the same
        call gives the same trials and noise.  forced_reads: what the networks are taken to have answered,
        (K, B, trials) by name.  initial: the state before the first step, (K, B, N), 0 if not given.
        current: added to the input of each unit in each step, (K, B, T, N), nothing after T steps.  In both,
        K and B may be 1; the kernels of cpu and gpu do not have them, so torch computes the call, with a
        warning.  ValueError or TypeError for arguments that mean nothing.
        """
        part = range(self.networks) if networks is None else self._part(networks)
        batch = self._batch(sequences, purpose, iteration, stage, part)
        weights = self.weights()
        if networks is not None:
            weights = {name: weight[part.start : part.stop] for name, weight in weights.items()}
        if forced_reads:
            self._check_reads(forced_reads, (len(part), batch.sequences, self.program.timeline.trials))
        perturbation = Perturbation.of(initial, current, weights["bias"], batch.sequences)
        if perturbation is None:
            return self.engine.run(weights, batch, record=record, forced_reads=forced_reads)
        return self._perturbable().run(
            weights, batch, record=record, forced_reads=forced_reads, perturbation=perturbation
        )

    def prepare(
        self,
        sequences: int | None = None,
        *,
        purpose: BatchPurpose = "simulate",
        iteration: int = 0,
        stage: Stage | None = None,
    ) -> None:
        """Make the timetables of the next call with these arguments, while a GPU computes the last one.

        The arguments are those of a call.  Results are the same without it.
        """
        batch = self._batch(sequences, purpose, iteration, stage, range(self.networks))
        self.engine.prepare(self.networks, batch, self.bias.dtype, self.bias.device)

    def _batch(
        self, sequences: int | None, purpose: BatchPurpose, iteration: int, stage: Stage | None, part: range
    ) -> Batch:
        return Batch(
            sequences=whole_number(
                "sequences", self.program.training.batch if sequences is None else sequences, 1
            ),
            seed=self.seed,
            iteration=whole_number("iteration", iteration, 0, LAST_ITERATION),
            purpose=choice("purpose", purpose, PURPOSES),
            stage=true_dynamics(self.program) if stage is None else self._stage(stage),
            first_network=self.first_network + part.start,
        )

    def step(self, state: Tensor, input: Tensor | None = None, *, networks: range | None = None) -> Tensor:
        """Return the state after one step of the true dynamics without noise, (K, B, N); differentiable.

        state: r, (K, B, N).  input: u of all channels, (K, B, C), where K and B may be 1; 0 if not given.
        networks: some in a row, whose states these are; all if not given.  ValueError for other shapes.
        """
        return dynamics.step(self.program, *self._at(state, input, networks))

    def jacobian(
        self, state: Tensor, input: Tensor | None = None, *, networks: range | None = None
    ) -> Tensor:
        """Return the Jacobian of `step`, dF_i/dr_j at [k, b, i, j], (K, B, N, N); arguments as there."""
        return dynamics.jacobian(self.program, *self._at(state, input, networks))

    def _at(
        self, state: Tensor, input: Tensor | None, networks: range | None
    ) -> tuple[dict[str, Tensor], Tensor, Tensor | None]:
        """Return the weights, states and inputs of some networks; ValueError for other shapes."""
        part = range(self.networks) if networks is None else self._part(networks)
        weights = {name: weight[part.start : part.stop] for name, weight in self.weights().items()}
        like = weights["bias"]
        if state.dim() != 3 or (state.shape[0], state.shape[2]) != tuple(like.shape):
            raise ValueError(
                f"state has the shape {tuple(state.shape)}, and takes (K, B, N) with K = {len(like)}, "
                f"N = {like.shape[1]}."
            )
        units = self.program.network.input_units
        if input is not None:
            leads = input.dim() == 3 and all(
                a in (1, b) for a, b in zip(input.shape, state.shape[:2], strict=False)
            )
            if not leads or input.shape[2] != units:
                raise ValueError(
                    f"input has the shape {tuple(input.shape)}, and takes (K, B, C) with K = {len(like)} or "
                    f"1, B = {state.shape[1]} or 1, C = {units}."
                )
        return weights, state.to(like), None if input is None else input.to(like)

    def _perturbable(self) -> PerturbableEngine:
        """Return the engine of this target if it takes perturbations, else that of one that does."""
        if RECORDS[self.target].perturbs:
            return cast(PerturbableEngine, self.engine)
        if self._stand_in is None:
            other = perturbing_target()
            warnings.warn(
                f"The target {self.target} has no perturbations: the target {other} computes these calls, "
                f"more slowly. Choose target='{other}' to silence this warning.",
                stacklevel=5,
            )
            self._stand_in = cast(PerturbableEngine, make_engine(self.program, other, self.bias.device))
        return self._stand_in

    def _part(self, networks: range) -> range:
        """Return networks that are in this ensemble, in a row."""
        if not isinstance(networks, range):
            raise TypeError(f"networks takes a range, such as range(0, 1), not {networks!r}.")
        if networks.step != 1 or not 0 <= networks.start < networks.stop <= self.networks:
            raise ValueError(f"networks takes a part of range(0, {self.networks}), not {networks}.")
        return networks

    def _stage(self, stage: Stage) -> Stage:
        """Return a stage that has the skips of the program."""
        if not isinstance(stage, Stage):
            raise TypeError(f"stage takes a Stage(theta, betas), not {stage!r}.")
        names = [skip.name for skip in self.program.skips]
        if len(stage.betas) != len(names):
            raise ValueError(
                f"stage has betas {stage.betas}, and takes one for each skip: {', '.join(names) or 'none'}."
            )
        return stage

    def _check_reads(self, forced: Mapping[str, Tensor], shape: tuple[int, int, int]) -> None:
        """Raise ValueError for what no epoch reads: it would be left out in silence."""
        reads = {read.name for epoch in self.program.timeline.epochs for read in epoch.reads}
        for name, values in forced.items():
            if name not in reads:
                raise ValueError(
                    f"forced_reads has '{name}'; the spec reads {', '.join(sorted(reads)) or 'nothing'}."
                )
            if tuple(values.shape) != shape:
                raise ValueError(f"'{name}' of forced_reads has shape {tuple(values.shape)}, not {shape}.")
