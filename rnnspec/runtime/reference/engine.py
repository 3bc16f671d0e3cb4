"""The reference engine: slow, simple and easy to verify, in any dtype.  Tests compare other engines with it.

It simulates the sequences one by one (`sequence.py`), and then computes loss and score from the definitions
(`objective.py`).  Only the networks are vectorised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome
from rnnspec.runtime.noise import jitter, process_noise
from rnnspec.runtime.perturbation import Perturbation
from rnnspec.runtime.reference.interpret import Drawn, draw
from rnnspec.runtime.reference.objective import Objective
from rnnspec.runtime.reference.sequence import SequenceSimulation, Trajectory, outputs, readouts
from rnnspec.runtime.schedule import Timetable, epoch_steps, timetable

_UNDISTURBED = Perturbation()


class Reference:
    """Interprets a program; gradients come from autograd."""

    def __init__(self, program: Program) -> None:
        self.program = program

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
        trajectories = self._simulate(weights, batch, forced_reads or {}, perturbation or _UNDISTURBED)
        objective = Objective(self.program, batch, weights, trajectories)
        score = objective.score()
        steps = [trajectory.table.steps for trajectory in trajectories]
        return Outcome(
            loss=objective.loss(),
            performance=score.performance,
            mean_rate=objective.mean_rate(1).detach(),
            phase_performance=score.phases,
            trial_performance=score.trials,
            variables=_variables(trajectories),
            steps=torch.tensor(steps if self.program.timeline.ragged else steps[:1]),
            rates=_recorded(trajectories, _rates) if record else None,
            outputs=_recorded(trajectories, lambda t: self._outputs(weights, t)) if record else None,
            inputs=_recorded(trajectories, _inputs) if record else None,
        )

    def state_gradients(self, weights: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, list[Timetable]]:
        """Return the norm of the gradient of the last error with respect to each state, and the timetables.

        |dL/dr(t)| over the units, (K, B, T + 1), for states 0, 1, ..., along all paths, skips included.  L is
        the error of the last epoch with a target.  0 where no gradient flows; NaN after the end of a shorter
        sequence.  One timetable for each sequence.
        """
        trained = {name: value.detach().requires_grad_() for name, value in weights.items()}
        trajectories = self._simulate(trained, batch, {})
        error = Objective(self.program, batch, trained, trajectories).last_error().sum()
        states = [state for t in trajectories for state in t.states if state.requires_grad]
        found = iter(torch.autograd.grad(error, states, allow_unused=True)) if states else iter(())
        rows = []
        for trajectory in trajectories:
            own = [next(found) if state.requires_grad else None for state in trajectory.states]
            nothing = torch.zeros_like(trajectory.states[0])
            rows.append(torch.stack([nothing if g is None else g for g in own], 1).norm(dim=-1))
        longest = max(row.shape[1] for row in rows)
        padded = [torch.nn.functional.pad(r, (0, longest - r.shape[1]), value=torch.nan) for r in rows]
        return torch.stack(padded, 1), [trajectory.table for trajectory in trajectories]

    def _simulate(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        forced_reads: Mapping[str, Tensor],
        perturbation: Perturbation = _UNDISTURBED,
    ) -> list[Trajectory]:
        """Simulate every sequence of a batch."""
        bias = weights["bias"]
        drawn = draw(self.program, batch, bias.shape[0], device=bias.device)
        tables = self.timetables(batch, drawn)
        # Drawn in float64 for every dtype of the weights, and rounded once.
        noise = process_noise(
            self.program, batch, max(table.steps for table in tables), bias.shape[0], device=bias.device
        )
        simulation = SequenceSimulation(
            self.program,
            batch,
            weights,
            None if noise is None else noise.to(bias.dtype),
            forced_reads,
            perturbation.initial,
            perturbation.current_of(max(table.steps for table in tables)),
        )
        trajectories = []
        for b, table in enumerate(tables):
            own = [{name: v[:, b : b + 1] for name, v in trial.items()} for trial in drawn.variables]
            trajectories.append(simulation.simulate(b, table, own))
        return trajectories

    def timetables(self, batch: Batch, drawn: Drawn) -> list[Timetable]:
        """Return the timetable of each sequence."""
        program, stage = self.program, batch.stage
        extra = jitter(program, batch)
        tables = []
        for b in range(batch.sequences):
            seconds = drawn.durations[b] if drawn.durations is not None else None
            steps = epoch_steps(program, stage.theta, extra, seconds)
            tables.append(timetable(program, stage.theta, stage.betas, steps))
        return tables

    def _outputs(self, weights: Mapping[str, Tensor], trajectory: Trajectory) -> Tensor:
        values = outputs(self.program.network, readouts(weights, _rates(trajectory)))
        channels = self.program.network.outputs
        columns = [values[c.name] if c.stop - c.start > 1 else values[c.name].unsqueeze(-1) for c in channels]
        return torch.cat(columns, -1) if columns else _rates(trajectory)[..., :0]


def _rates(trajectory: Trajectory) -> Tensor:
    """Return the state after each step, (T, K, N)."""
    return torch.stack(trajectory.states)[1:]


def _inputs(trajectory: Trajectory) -> Tensor:
    """Return the input during each step, (T, K', C_in)."""
    return torch.cat(trajectory.inputs)


def _recorded(trajectories: Sequence[Trajectory], values: Callable[[Trajectory], Tensor]) -> Tensor:
    """Return the values of all sequences at all steps, (K', B, T, ...); NaN after the end of a sequence."""
    recorded = [values(trajectory) for trajectory in trajectories]
    steps = max(len(value) for value in recorded)
    padded = [
        torch.cat([value, value.new_full((steps - len(value), *value.shape[1:]), torch.nan)])
        for value in recorded
    ]
    return torch.stack(padded, 1).permute(2, 1, 0, 3)


def _variables(trajectories: Sequence[Trajectory]) -> dict[str, Tensor]:
    """Return all draws and reads by name, (K', B, trials)."""
    result = {}
    for name in trajectories[0].trials[0]:
        values = [[trial[name] for trial in trajectory.trials] for trajectory in trajectories]
        networks = max(len(value) for row in values for value in row)
        rows = [torch.cat([value.expand(networks, 1) for value in row], 1) for row in values]
        result[name] = torch.stack(rows, 1)
    return result
