"""Simulate one sequence in reference form: step by step, all states stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from rnnspec.program.nodes import Drive, Network, Program
from rnnspec.runtime.activations import activate
from rnnspec.runtime.batch import Batch, inputs_differ
from rnnspec.runtime.noise import white_input
from rnnspec.runtime.reference.interpret import Environment, evaluate, settle
from rnnspec.runtime.schedule import Segment, Timetable


@dataclass
class Trajectory:
    """The part of one sequence that has been simulated so far.

    number: b.  trials: the variables of each trial, (K', 1) by name.  states: r of state 0, 1, ..., after
    landings, (K, N) each.  increments: F(r) - r of step 0, 1, ..., (K, N) each.  inputs: u in the L steps of
    each segment, (L, K', C_in) each.
    """

    number: int
    table: Timetable
    trials: list[dict[str, Tensor]]
    states: list[Tensor]
    increments: list[Tensor]
    inputs: list[Tensor]

    def environment(self, trial: int) -> Environment:
        """Return the environment of the expressions of a trial, without outputs and clock."""
        previous = self.trials[trial - 1] if trial > 0 else None
        return Environment(self.states[0].device, self.trials[trial], previous)


@dataclass(frozen=True)
class SequenceSimulation:
    """Simulates sequences of one batch.

    weights: effective, by name.  noise: the noise term inside f, (K, B, T, N), or None.  forced_reads:
    (K, B, trials) by name, used instead of the values read from the outputs.  initial, current: state 0,
    (K, B, N), and what is added inside f, (K, B, T, N); None for 0.
    """

    program: Program
    batch: Batch
    weights: Mapping[str, Tensor]
    noise: Tensor | None
    forced_reads: Mapping[str, Tensor]
    initial: Tensor | None = None
    current: Tensor | None = None

    def simulate(self, number: int, table: Timetable, trials: list[dict[str, Tensor]]) -> Trajectory:
        """Simulate sequence `number`.  trials: its draws that depend on no read."""
        nothing = torch.zeros_like(self.weights["bias"])
        start = nothing if self.initial is None else self.initial[:, number]
        trajectory = Trajectory(number, table, trials, [start], [], [])
        for segment in table.segments:
            if segment.epoch == 0:
                self._settle(trajectory, segment.trial, known=0)
            inputs = self._inputs(trajectory, segment)
            trajectory.inputs.append(inputs)
            for k in range(segment.steps):
                self._step(trajectory, segment, inputs[k])
            if segment.epoch >= 0:
                self._read(trajectory, segment)
                self._settle(trajectory, segment.trial, known=segment.epoch + 1)
        return trajectory

    def _step(self, trajectory: Trajectory, segment: Segment, u: Tensor) -> None:
        """Compute the next state: a base step, the landings on the new state, then detach without gradient.

        F(r) = r + alpha (-r + f(W_rec r + b + W_in u + noise))          Soo et al. 2023, eq. (5)
        """
        rate, step = trajectory.states[-1], len(trajectory.states) - 1
        total = _product(self.weights["w_rec"], rate) + self.weights["bias"]
        total = total + _product(self.weights["w_in"], u)
        if self.noise is not None:
            total = total + self.noise[:, trajectory.number, step]
        if self.current is not None:
            total = total + self.current[:, trajectory.number, step]
        increment = self.alpha * (-rate + activate(self.program.network.activation, total))
        # In an epoch without gradient, neither states nor increments carry gradient.
        trajectory.increments.append(increment if segment.gradient else increment.detach())
        rate = self._land(trajectory, step + 1, rate + increment)
        trajectory.states.append(rate if segment.gradient else rate.detach())

    def _land(self, trajectory: Trajectory, state: int, rate: Tensor) -> Tensor:
        """Apply the landings on a new state, in order.

        r <- (1 - beta) X + beta r
        sctt: X = r(source), eq. (8).  dasc: X = r(source) + length (F(r) - r), eq. (9).  Soo et al. 2023
        """
        for landing in trajectory.table.landings:
            if landing.state != state:
                continue
            beta = self.batch.stage.betas[landing.edge]
            origin = trajectory.states[landing.source]
            if landing.increment_step is not None:
                length = landing.state - landing.source
                origin = origin + length * trajectory.increments[landing.increment_step]
            rate = (1 - beta) * origin + beta * rate
        return rate

    @cached_property
    def alpha(self) -> Tensor:
        """The ratio alpha = dt theta / tau of each unit, (N,)."""
        network, bias = self.program.network, self.weights["bias"]
        step = network.dt * self.batch.stage.theta
        alpha = [float(step / p.tau) for p in network.populations for _ in range(p.start, p.stop)]
        return torch.tensor(alpha, dtype=bias.dtype, device=bias.device)

    def _inputs(self, trajectory: Trajectory, segment: Segment) -> Tensor:
        """Return the input u at each step k of a segment, (L, K', C_in), at t = k dt theta; 0 by default."""
        network, bias = self.program.network, self.weights["bias"]
        networks = bias.shape[0] if inputs_differ(self.program) else 1
        u = torch.zeros(segment.steps, networks, network.input_units, dtype=bias.dtype, device=bias.device)
        if segment.epoch < 0:
            return u
        environment = trajectory.environment(segment.trial)
        environment = replace(environment, clock=clock(self.program, self.batch, segment, 0, bias.device))
        for drive in self.program.timeline.epochs[segment.epoch].drives:
            channel = next(c for c in network.inputs if c.name == drive.channel)
            value = self._drive(drive, range(channel.start, channel.stop), trajectory, segment, environment)
            u[..., channel.start : channel.stop] = value
        return u

    def _drive(
        self,
        drive: Drive,
        columns: range,
        trajectory: Trajectory,
        segment: Segment,
        environment: Environment,
    ) -> Tensor:
        """Return the input of one channel in a segment, (K', C or 1) or (L, K', C or 1)."""

        def white(call: int) -> Tensor:
            networks = self.weights["bias"].shape[0] if self.program.training.independent_trials else None
            steps = torch.arange(segment.start, segment.stop, device=environment.device)
            values = white_input(self.program, self.batch, call, columns, steps, networks)
            own = values[:, trajectory.number].transpose(0, 1).unsqueeze(2)
            return own if drive.value.type.size is not None else own[..., 0]

        return of_one_sequence(
            evaluate(drive.value, replace(environment, white=white)), drive.value.type.size
        )

    @torch.no_grad()
    def _read(self, trajectory: Trajectory, segment: Segment) -> None:
        """Compute the reads of an epoch from the outputs at its last state."""
        reads = self.program.timeline.epochs[segment.epoch].reads
        state = trajectory.states[segment.stop]
        readout = readouts(self.weights, state).unsqueeze(1)
        environment = replace(
            trajectory.environment(segment.trial), outputs=outputs(self.program.network, readout)
        )
        for read in reads:
            value = evaluate(read.value, environment).expand(state.shape[0], 1)
            if read.name in self.forced_reads:
                value = self.forced_reads[read.name][:, trajectory.number, segment.trial, None]
            trajectory.trials[segment.trial][read.name] = value

    def _settle(self, trajectory: Trajectory, trial: int, known: int) -> None:
        """Compute the draws that become known after `known` epochs of the trial."""
        bias = self.weights["bias"]
        own = range(trajectory.number, trajectory.number + 1)
        for draw in self.program.timeline.draws:
            if draw.available == known:
                trajectory.trials[trial][draw.name] = settle(
                    self.program, self.batch, draw, trial, trajectory.trials, bias.shape[0], bias.device, own
                )


def clock(program: Program, batch: Batch, segment: Segment, first: int, device: torch.device) -> Tensor:
    """Return t at each point of a segment, (L, 1, 1): (k + first) dt theta, in seconds."""
    step = program.network.dt * batch.stage.theta
    times = [float((k + first) * step) for k in range(segment.steps)]
    return torch.tensor(times, dtype=torch.float64, device=device).reshape(-1, 1, 1)


def of_one_sequence(value: Tensor, size: int | None) -> Tensor:
    """Return a value of one sequence without axis B; a number becomes a vector of one unit."""
    return (value.unsqueeze(-1) if size is None else value).squeeze(-2)


def readouts(weights: Mapping[str, Tensor], rate: Tensor) -> Tensor:
    """Return W_out r plus the readout bias, if the program has one: (..., K, N) to (..., K, C_out)."""
    readout = _product(weights["w_out"], rate)
    return readout + weights["readout_bias"] if "readout_bias" in weights else readout


def outputs(network: Network, readout: Tensor) -> dict[str, Tensor]:
    """Return the outputs y = g(readout) of each channel, (..., C), or (...) for a channel of one unit."""
    values = {}
    for channel in network.outputs:
        value = activate(channel.activation, readout[..., channel.start : channel.stop])
        values[channel.name] = value if channel.stop - channel.start > 1 else value[..., 0]
    return values


def _product(matrix: Tensor, vector: Tensor) -> Tensor:
    """Return M v for each network: (K, rows, columns) and (..., K, columns) to (..., K, rows)."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)
