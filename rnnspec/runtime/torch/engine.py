"""The torch engine: loads a generated `graph.py` and runs batches on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rnnspec.codegen.torch.graph import emit
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome
from rnnspec.runtime.noise import Stream, jitter, key
from rnnspec.runtime.perturbation import Perturbation
from rnnspec.runtime.schedule import Timetable, epoch_steps, timetable
from rnnspec.runtime.torch.alignment import Aligned, align
from rnnspec.runtime.torch.durations import drawn_durations
from rnnspec.runtime.torch.module import Adapt, load


class TorchEngine:
    """Runs the generated module of a program.

    source: the source of the module; by default it is generated.  adapt: what changes the module once it is
    loaded, a function of a Python module: `script_chunk` or `compile_blocks`.
    """

    def __init__(self, program: Program, source: str | None = None, adapt: Adapt | None = None) -> None:
        self.program = program
        self.source = emit(program) if source is None else source
        self.adapt = adapt
        self.module = load(self.source, adapt)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy without the module, which cannot be pickled; the copy loads it again."""
        return TorchEngine, (self.program, self.source, self.adapt)

    def origin(self, dtype: torch.dtype) -> None:
        """Return None: there is no kernel."""

    def prepare(self, networks: int, batch: Batch, dtype: torch.dtype, device: torch.device) -> None:
        """Do nothing: timetables are made during a batch."""

    def run(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        *,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
        perturbation: Perturbation | None = None,
    ) -> Outcome:
        """Simulate one batch with effective weights; see `batch.Engine`."""
        module, program = self.module, self.program
        table, aligned = self._timetable(batch)
        options: dict[str, Any] = {}
        if program.skips:
            options["betas"] = batch.stage.betas
        if forced_reads and any(epoch.reads for epoch in program.timeline.epochs):
            options["forced_reads"] = forced_reads
        if perturbation is not None:
            options["initial"] = perturbation.initial
            lengths = [table.steps] if aligned is None else aligned.lengths
            options["current"] = _aligned(perturbation.current_of(max(lengths)), aligned)
        result = module.simulate(
            weights,
            batch.sequences,
            aligned or table,
            dt=float(program.network.dt * batch.stage.theta),
            seed=batch.seed,
            iteration=batch.iteration,
            evaluation=batch.purpose != "train",
            first_network=batch.first_network,
            record=record,
            **options,
        )
        loss = module.loss(result, weights)
        if torch.is_grad_enabled() and not loss.requires_grad:
            # No point enters the loss, as can happen in a coarse stage; backward() still needs a graph.
            loss = loss + 0.0 * weights["bias"].sum(1)
        steps = [table.steps] if aligned is None else list(aligned.lengths)
        rates = outputs = inputs = None
        if record:
            rates = torch.cat(result.rates, 2)
            outputs = torch.cat(list(module.outputs(module.readout(weights, rates)).values()), -1)
            inputs = _joined(result.inputs)
            if aligned is not None:
                rates, outputs, inputs = (_own_clocks(x, aligned) for x in (rates, outputs, inputs))
        return Outcome(
            loss=loss,
            performance=module.performance(result),
            mean_rate=result.rate_abs.amount.detach() / max(result.rate_abs.count, 1),
            phase_performance=module.phase_performance(result),
            trial_performance=module.trial_performance(result),
            variables=_variables(result.trials, batch.sequences),
            steps=torch.tensor(steps),
            rates=rates,
            outputs=outputs,
            inputs=inputs,
        )

    def _timetable(self, batch: Batch) -> tuple[Timetable, Aligned | None]:
        """Return the timetable of sequence 0 and, if sequences differ, the aligned one of all."""
        program, stage = self.program, batch.stage
        extra = jitter(program, batch)
        drawn: Sequence[Sequence[Sequence[float | None]] | None] = [None]
        if program.timeline.ragged:
            drawn = drawn_durations(
                program, key(batch, Stream.DRAWS), batch.first_network, batch.sequences, self.module
            )
        tables = [
            timetable(program, stage.theta, stage.betas, epoch_steps(program, stage.theta, extra, seconds))
            for seconds in drawn
        ]
        return tables[0], align(tables) if program.timeline.ragged else None


def _variables(trials: Sequence[Any], sequences: int) -> dict[str, Tensor]:
    """Return all draws and reads by name: (K', B, trials)."""
    found = {}
    for name in trials[0].values:
        values = [trial[name] for trial in trials]
        networks = max(value.shape[0] if value.dim() else 1 for value in values)
        found[name] = torch.cat([value.expand(networks, sequences, 1, 1) for value in values], 2)[..., 0]
    return found


def _joined(pieces: Sequence[Tensor]) -> Tensor:
    """Join recorded inputs (K', B, T, C) along time; K' is the largest of all pieces."""
    networks = max(len(piece) for piece in pieces)
    return torch.cat([piece.expand(networks, -1, -1, -1) for piece in pieces], 2)


def _aligned(current: Tensor | None, aligned: Aligned | None) -> Tensor | None:
    """Convert a current (K, B, T, N) from each sequence's own to aligned steps; 0 while a sequence waits."""
    if current is None or aligned is None:
        return current
    steps = sum(segment.steps for segment in aligned.segments)
    rows = []
    for b, own in enumerate(aligned.steps):
        row = current.new_zeros(len(current), steps, current.shape[-1])
        row[:, list(own)] = current[:, b, : len(own)]
        rows.append(row)
    return torch.stack(rows, 1)


def _own_clocks(recorded: Tensor, aligned: Aligned) -> Tensor:
    """Convert a recording from aligned to each sequence's own steps: (K, B, T, ...), NaN after its end."""
    rows = []
    for b, steps in enumerate(aligned.steps):
        own = recorded[:, b, torch.tensor(steps, dtype=torch.int64, device=recorded.device)]
        rest = own.new_full((len(own), max(aligned.lengths) - len(steps), own.shape[-1]), torch.nan)
        rows.append(torch.cat((own, rest), 1))
    return torch.stack(rows, 1)
