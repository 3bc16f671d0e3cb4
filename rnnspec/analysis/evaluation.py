"""Evaluation: the performance of networks on new trials, with the true dynamics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnspec.analysis.conditions import DealtConditions
from rnnspec.analysis.recording import NamedArray
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Outcome
from rnnspec.runtime.memory import working_memory
from rnnspec.runtime.noise import LAST_ITERATION
from rnnspec.runtime.simulation import Simulation

#: The iterations whose random numbers `evaluate` and `simulate` use; training never reaches them.
EVALUATION = LAST_ITERATION
SIMULATION = LAST_ITERATION - 1

#: Bytes for networks that are evaluated together.  The same on every machine, because the grouping of
#: networks can change the last digit of results.
TOGETHER = 2**30


@dataclass(frozen=True)
class Evaluation:
    """The performance of an ensemble: 0 for a network that has diverged, NaN if no trial is scored.

    sequences: B.  performance: of each network.  mean_rate: of each network, over units, steps and sequences.
    phases: the performance in each phase of the trial.  trials: (K, B, trials) performance, NaN where a trial
    is not scored.  variables: draws and reads by name, (K', B, trials), where K' is K or 1.
    conditions: those of the sequences, None for none.  changes: what was asked otherwise than the run was
    trained, a line each.
    """

    sequences: int
    performance: tuple[float, ...]
    mean_rate: tuple[float, ...]
    phases: Mapping[str, tuple[float, ...]]
    trials: Tensor
    variables: Mapping[str, Tensor]
    conditions: DealtConditions | None = None
    changes: tuple[str, ...] = ()

    @property
    def arrays(self) -> Mapping[str, NamedArray]:
        """The evaluation as arrays with named axes.

        performance, mean_rate, phase/NAME (network).  trial_performance, variable/NAME (network, sequence,
        trial).  With conditions: condition (sequence), the number of its condition; condition/NAME
        (condition), the values of a variable; condition_performance (network, condition).
        """
        each = ("network", "sequence", "trial")
        found = {
            "performance": NamedArray(np.array(self.performance), ("network",)),
            "mean_rate": NamedArray(np.array(self.mean_rate), ("network",)),
            **{f"phase/{name}": NamedArray(np.array(v), ("network",)) for name, v in self.phases.items()},
            "trial_performance": NamedArray(self.trials.cpu().numpy(), each),
            **{f"variable/{name}": NamedArray(v.cpu().numpy(), each) for name, v in self.variables.items()},
        }
        if self.conditions is not None:
            by = self.conditions.performance(self.trials.cpu())
            found |= self.conditions.arrays()
            found["condition_performance"] = NamedArray(by.numpy(), ("network", "condition"))
        return found


def evaluate_simulation(
    simulation: Simulation, sequences: int, iteration: int, diverged: Collection[int] = ()
) -> Evaluation:
    """Evaluate an ensemble with noise, without jitter, skips and coarsening.

    iteration: selects the trials and the noise.  diverged: the networks that score 0, counted from 0 in
    this ensemble.  To limit memory, networks are evaluated in groups.
    """
    each = sequences * working_memory(simulation.program, next(simulation.parameters()).element_size())
    step = max(1, TOGETHER // each)
    groups = [range(k, min(k + step, simulation.networks)) for k in range(0, simulation.networks, step)]
    with torch.no_grad():
        outcomes = [
            simulation(sequences, purpose="evaluate", iteration=iteration, networks=group) for group in groups
        ]

    def scored(values: Tensor) -> Tensor:
        values = values.clone()
        values[sorted(diverged)] = 0.0
        return values

    def scores(values: Tensor) -> tuple[float, ...]:
        return tuple(scored(values).double().tolist())

    phases, variables = outcomes[0].phase_performance, outcomes[0].variables
    return Evaluation(
        sequences,
        scores(torch.cat([outcome.performance for outcome in outcomes])),
        tuple(torch.cat([outcome.mean_rate for outcome in outcomes]).double().tolist()),
        {name: scores(torch.cat([o.phase_performance[name] for o in outcomes])) for name in phases},
        scored(torch.cat([outcome.trial_performance for outcome in outcomes])),
        {name: _joined(name, outcomes) for name in variables},
    )


def _joined(name: str, outcomes: Sequence[Outcome]) -> Tensor:
    """Return a variable of all networks, (K', B, trials), from the outcomes of groups of networks."""
    parts = [outcome.variables[name] for outcome in outcomes]
    if all(len(part) == 1 and torch.equal(part, parts[0]) for part in parts):
        return parts[0]
    sizes = [len(outcome.performance) for outcome in outcomes]
    return torch.cat([part.expand(size, -1, -1) for part, size in zip(parts, sizes, strict=True)])


def is_scored(program: Program) -> bool:
    """Return whether a task defines a performance, by `success` or by `correct` in an epoch."""
    timeline = program.timeline
    return timeline.success is not None or any(epoch.correct is not None for epoch in timeline.epochs)
