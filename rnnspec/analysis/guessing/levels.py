"""What guessing scores: the performance of those who have not learned a task, measured on drawn trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rnnspec.analysis.guessing.answers import Constant, OtherTrials, Targets, constants
from rnnspec.analysis.guessing.networks import Untrained
from rnnspec.analysis.guessing.trials import Score, Trials
from rnnspec.analysis.guessing.values import Array
from rnnspec.files import finite
from rnnspec.program.nodes import Program
from rnnspec.runtime.schedule import mean_steps

#: Trials on which constants and other answers are measured, at least, and the most in one pass.
_TRIALS, _MOST = 2000, 4000
#: Consecutive trials of a sequence that are played at most.  Untrained networks simulate fewer, if these are
#: more than so many steps, and no trial that is longer than so many.
_CONSECUTIVE, _STEPS, _LONGEST = 50, 2000, 10_000
#: Sequences and networks of an untrained ensemble, fewer if they would need more multiply-adds than this;
#: without at least so many networks it is not simulated.
_SEQUENCES, _NETWORKS, _OPERATIONS, _FEWEST = 2, 64, 3 * 10**9, 6
#: Sequences of each network while all together need no more than so many multiply-adds.
_SEQUENCES_AT_MOST, _QUICK = 32, 15 * 10**8


@dataclass(frozen=True)
class Level:
    """A performance in whole trials, and in each phase; NaN where nothing is scored."""

    performance: float
    phases: Mapping[str, float]

    def as_dict(self) -> dict[str, object]:
        """Return values for JSON; NaN becomes None."""
        return {
            "performance": finite(self.performance),
            "phases": {phase: finite(value) for phase, value in self.phases.items()},
        }


@dataclass(frozen=True)
class Guessing:
    """What guessing scores.

    untrained: the mean of networks with initial weights; None if that would take too long.
    constant: the best of outputs that are the same at all times in all trials.  Each phase has its own best.
    random: outputs at the targets of another trial, which has nothing to do with the stimuli; None without
    targets.
    targets: what outputs exactly at their targets score, which is no guessing: the most that training for the
    targets leads to; None without targets.
    """

    untrained: Level | None
    constant: Level
    random: Level | None
    targets: Level | None

    def by_name(self) -> dict[str, Level]:
        """Return the levels that there are, by name."""
        named = {"untrained": self.untrained, "constant": self.constant, "random": self.random}
        named["targets"] = self.targets
        return {name: level for name, level in named.items() if level is not None}


@np.errstate(all="ignore")
def measure_guessing(program: Program) -> Guessing | None:
    """Return what guessing scores; None if the task is not scored.

    The trials are drawn as for an evaluation, without jitter, from the seed of the spec.
    """
    timeline = program.timeline
    if timeline.success is None and not timeline.scored_phases:
        return None
    program = replace(program, timeline=replace(timeline, trials=min(timeline.trials, _CONSECUTIVE)))
    count = _sequences(program)
    trials = Trials(program, count, np.random.default_rng((program.training.seed, 1)))
    ideal = Targets(trials)
    at_targets = trials.score(ideal)
    times = max(1, -(-_TRIALS // (count * program.timeline.trials)))
    random = targets = None
    if any(epoch.targets for epoch in timeline.epochs):
        others = [trials.score(OtherTrials(trials, ideal.environments)) for _ in range(times)]
        random, targets = _mean_level(others), _mean_level([at_targets])
    return Guessing(_untrained(program), _constant(trials, ideal.seen, times), random, targets)


def _sequences(program: Program) -> int:
    """Return how many sequences are drawn: a multiple or a part of those of an evaluation."""
    each, most = program.training.evaluate_batch, max(1, _MOST // program.timeline.trials)
    return min(each * max(1, 200 // each), most)


def _untrained(program: Program) -> Level | None:
    network, timeline = program.network, program.timeline
    one = replace(program, timeline=replace(timeline, trials=1))
    each = max(mean_steps(one), 1)
    if each > _LONGEST:
        return None
    program = replace(
        program, timeline=replace(timeline, trials=min(timeline.trials, max(1, _STEPS // each)))
    )
    units = network.units + network.input_units + network.output_units
    sequence = mean_steps(program) * network.units * units
    networks = min(_NETWORKS, _OPERATIONS // (_SEQUENCES * sequence))
    if networks < _FEWEST:
        return None
    sequences = max(_SEQUENCES, min(_SEQUENCES_AT_MOST, _QUICK // (networks * sequence)))
    rng = np.random.default_rng((program.training.seed, 3))
    trials = Trials(program, sequences, rng, players=networks)
    return _mean_level([trials.score(Untrained(trials, networks))])


def _constant(trials: Trials, seen: list[Array], times: int) -> Level:
    """Return the level of the best constants: chosen on some trials, measured on others, `times` as many."""
    program, rows = trials.program, constants(trials.program.network, seen)
    tried = trials.score(Constant(program.network, rows))
    chosen = [_best(tried.performance), *(_best(values) for values in tried.phases.values())]
    others = Trials(program, trials.sequences * times, np.random.default_rng((program.training.seed, 2)))
    found = others.score(Constant(program.network, rows[chosen]))
    phases = enumerate(found.phases.items(), 1)
    return Level(_at(found.performance, 0), {name: _at(values, k) for k, (name, values) in phases})


def _best(scores: Array) -> int:
    return 0 if np.isnan(scores).all() else int(np.nanargmax(scores))


def _at(scores: Array, number: int) -> float:
    """Return the score of one player; there is one score if all have the same."""
    return float(np.broadcast_to(scores, (number + 1,) if len(scores) == 1 else scores.shape)[number])


def _mean_level(scores: list[Score]) -> Level:
    return Level(
        _mean([score.performance for score in scores]),
        {name: _mean([score.phases[name] for score in scores]) for name in scores[0].phases},
    )


def _mean(values: list[Array]) -> float:
    joined = np.concatenate(values)
    known = joined[~np.isnan(joined)]
    return float(known.mean()) if len(known) else math.nan
