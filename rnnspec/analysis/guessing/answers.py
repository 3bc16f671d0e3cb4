"""Players that know the task but not the trial: constant outputs, and the answers of other trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnnspec.analysis.guessing.networks import outputs_of
from rnnspec.analysis.guessing.trials import Moment, Trials
from rnnspec.analysis.guessing.values import Array, Environment, evaluate, of_channel
from rnnspec.program.nodes import Network

#: The most sequences and trials whose targets are tried as constant outputs, and the most constants in all.
SEQUENCES_TRIED, TRIALS_TRIED, CONSTANTS = 16, 4, 64


class Targets:
    """Outputs that are always at their targets; those without a target are as of a silent network.

    Afterwards, `environments` has that of each trial with all its variables, and `seen` (n, C_out) outputs in
    the middle of epochs with targets.
    """

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self.environments: dict[int, Environment] = {}
        self.seen: list[Array] = []

    def outputs(self, moment: Moment) -> Mapping[str, Array]:
        # The variables are settled in place, so in the end all are there.
        self.environments[moment.trial] = moment.environment
        given = targets_at(self._trials, moment, moment.environment)
        if moment.epoch.targets and moment.trial < TRIALS_TRIED:
            middle = replace(moment, at=moment.lengths[:, None] // 2)
            found = targets_at(self._trials, middle, moment.environment)
            self.seen.append(self._rows(found))
        return given

    def _rows(self, outputs: Mapping[str, Array]) -> Array:
        """Return the outputs of some sequences as rows, (n, C_out)."""
        columns = []
        for channel in self._trials.program.network.outputs:
            value, size = outputs[channel.name], channel.stop - channel.start
            value = value[0, :, 0] if value.ndim == 4 else value[0, :, :1]
            columns.append(np.broadcast_to(value, (self._trials.sequences, size)))
        rows = np.concatenate(columns, 1)
        tried = np.linspace(0, len(rows) - 1, min(len(rows), SEQUENCES_TRIED)).astype(int)
        chosen: Array = rows[tried]
        return chosen


class Constant:
    """Outputs that never change: K constants, each a row of C_out numbers."""

    def __init__(self, network: Network, rows: Array) -> None:
        self._outputs = {
            channel.name: of_channel(
                rows[:, None, None, channel.start : channel.stop], channel.stop - channel.start
            )
            for channel in network.outputs
        }

    def outputs(self, moment: Moment) -> Mapping[str, Array]:
        return self._outputs


class OtherTrials:
    """In each trial the targets of the same trial of another sequence, drawn at random.

    environments: of each trial, with the variables of all sequences.
    """

    def __init__(self, trials: Trials, environments: Mapping[int, Environment]) -> None:
        self._trials, self._environments, self._trial = trials, environments, -1

    def outputs(self, moment: Moment) -> Mapping[str, Array]:
        if moment.trial != self._trial:
            self._trial = moment.trial
            count = self._trials.sequences
            drawn = self._trials.rng.integers(count, size=count)
            own = self._environments[moment.trial]
            self._other = replace(
                own,
                variables=_of_others(own.variables, drawn),
                previous=None if own.previous is None else _of_others(own.previous, drawn),
            )
        return targets_at(self._trials, moment, self._other)


def targets_at(trials: Trials, moment: Moment, environment: Environment) -> dict[str, Array]:
    """Return outputs at their targets at the points of a moment, for the variables of an environment."""
    network = trials.program.network
    given = silent(network)
    sizes = {channel.name: channel.stop - channel.start for channel in network.outputs}
    environment = replace(environment, clock=trials.clock(moment.at + 1))
    for target in moment.epoch.targets:
        given[target.channel] = of_channel(evaluate(target.value, environment), sizes[target.channel])
    return given


def silent(network: Network) -> dict[str, Array]:
    """Return the outputs while all rates are 0, by channel."""
    return outputs_of(network, np.zeros((1, 1, 1, network.output_units)))


def constants(network: Network, seen: list[Array]) -> Array:
    """Return the constants to try, (K, C_out): those of a silent network, the targets and their mean."""
    quiet = silent(network)
    first = [np.atleast_1d(quiet[channel.name][0, 0, 0]) for channel in network.outputs]
    rows = [np.concatenate(first)[None]] if first else [np.zeros((1, 0))]
    if seen:
        found = np.concatenate(seen)
        different = list({row.tobytes(): row for row in found}.values())
        tried = np.linspace(0, len(different) - 1, min(len(different), CONSTANTS)).astype(int)
        rows += [found.mean(0)[None], *(different[number][None] for number in tried)]
    return np.concatenate(rows)


def _of_others(variables: Mapping[str, Array], drawn: Array) -> dict[str, Array]:
    """Return variables with the sequences in another order; drawn: (B,), which one each sequence gets."""
    return {name: value if value.shape[1] == 1 else value[:, drawn] for name, value in variables.items()}
