"""The workload of the benchmark: one training iteration of an ensemble on delayed_go.

100 networks of 50 units; 20 trials of 700 steps, the first 200 without gradient; Ornstein-Uhlenbeck noise
inside the activation; a sigmoid readout of 33 outputs; the squared error of two phases after grace, and two
penalties; one update by Adam.  It is implemented here independently of rnnspec, for the hand-written peers.
`settings` gives rnnspec the same workload, and tests/test_benchmarks.py compares the two.

Axes: networks K, sequences B, steps T, units N, channels C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

SPEC = Path(__file__).parents[1] / "specs" / "delayed_go.yaml"

RING = 32
RULES = 20
INPUTS = 1 + 2 * RING + RULES
OUTPUTS = 1 + RING
RULE = 2  # delayed_go among the twenty tasks of the rule cue

DT = 0.005  # s
TAU = 0.1  # s, of the units and of the noise
ALPHA = DT / TAU
NOISE_KEEP, NOISE_GAIN = 1 - ALPHA, math.sqrt(2 * ALPHA)

RATE_PENALTY = WEIGHT_PENALTY = 1e-5
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.002, 0.9, 0.999, 1e-7

#: The epochs of a trial; all but the first carry gradient and have targets.
EPOCHS = ("context", "fixation", "stimulus", "delay", "response")


@dataclass(frozen=True)
class Workload:
    """The sizes of the workload; tests use smaller ones.

    populations: the numbers of units with input, of units that are read out, and of other units.
    steps, grace: of each epoch.
    """

    networks: int = 100
    sequences: int = 20
    populations: tuple[int, int, int] = (20, 20, 10)
    steps: tuple[int, ...] = (200, 100, 100, 200, 100)
    grace: tuple[int, ...] = (0, 40, 0, 0, 40)
    noise: float = 0.1

    @property
    def units(self) -> int:
        return sum(self.populations)

    @property
    def read(self) -> slice:
        """The units that are read out."""
        return slice(self.populations[0], self.populations[0] + self.populations[1])

    @property
    def learned_steps(self) -> int:
        return sum(self.steps[1:])

    @property
    def judged(self) -> tuple[int, int]:
        """The numbers of steps after grace in the hold phase and in the response."""
        each = [steps - grace for steps, grace in zip(self.steps, self.grace, strict=True)]
        return sum(each[1:4]), each[4]

    def segments(self) -> list[tuple[int, int]]:
        """Return the first step of each epoch, and the first step after it."""
        edges = [sum(self.steps[:i]) for i in range(len(self.steps) + 1)]
        return list(pairwise(edges))

    def settings(self) -> list[str]:
        """Return the settings that turn the shipped spec into this workload: fixed durations, these sizes."""
        out = [f"training.networks={self.networks}", f"training.batch={self.sequences}"]
        names = ("input", "output", "auxiliary")
        for name, size in zip(names, self.populations, strict=True):
            out.append(f"network.populations.{name}.size={size}")
        for epoch, steps, grace in zip(EPOCHS, self.steps, self.grace, strict=True):
            out.append(f"task.epochs.{epoch}.duration={steps} steps")
            out.append(f"task.epochs.{epoch}.grace={grace} steps")
            out.append(f"task.epochs.{epoch}.jitter=0 ms")
        out.append(f"network.noise.scale={self.noise}")
        out.append(f"training.optimizer.epsilon={EPSILON}")
        return out

    def operations(self, *, full: bool = False) -> int:
        """Return the floating point operations of an iteration: 2 for each multiply-add of a matrix product.

        Counts only connections that exist.  full: count all units as input and output units, as
        rnnspec/runtime/cost.py does.
        """
        taking, read = (self.units, self.units) if full else self.populations[:2]
        recurrent, projected = self.units**2, taking * INPUTS
        forward = sum(self.steps) * recurrent + len(self.steps) * projected
        backward = 2 * self.learned_steps * recurrent + (len(self.steps) - 1) * projected
        readout = sum(self.judged) * read * OUTPUTS
        return 2 * self.networks * self.sequences * (forward + backward + 3 * readout)

    def scaled(self, factor: float) -> Workload:
        """Return the workload with the steps of every epoch and grace multiplied by a factor."""
        return Workload(
            self.networks,
            self.sequences,
            self.populations,
            tuple(round(steps * factor) for steps in self.steps),
            tuple(round(grace * factor) for grace in self.grace),
            self.noise,
        )

    def with_units(self, units: int) -> Workload:
        """Return the workload with `units` units: 40 % with input, 40 % read out, as in the spec."""
        share = round(0.4 * units)
        return Workload(
            self.networks,
            self.sequences,
            (share, share, units - 2 * share),
            self.steps,
            self.grace,
            self.noise,
        )

    def initial_weights(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Draw weights from the distributions of the spec; only connections that exist are stored.

        w_rec (K, N, N), to-from.  w_in (K, N_in, C): to the units with input.  w_out (K, C, N_out): from the
        units that are read out.  bias (K, N).
        """
        random = np.random.default_rng(seed)
        size, (taking, read, _) = self.units, self.populations
        shapes = {
            "w_rec": ((self.networks, size, size), 1 / size),
            "w_in": ((self.networks, taking, INPUTS), 1.0),
            "w_out": ((self.networks, OUTPUTS, read), 1.0),
            "bias": ((self.networks, size), 1.0),
        }
        return {
            name: (scale * random.standard_normal(shape)).astype(np.float32)
            for name, (shape, scale) in shapes.items()
        }


@dataclass(frozen=True)
class Trials:
    """A batch of trials, the same for all networks: directions in radians, modalities 1 or 2, (B,) each.

    inputs: of each epoch, (B, C_in).  targets: of each epoch, (B, C_out).
    """

    directions: np.ndarray
    modalities: np.ndarray
    inputs: tuple[np.ndarray, ...] = field(init=False)
    targets: tuple[np.ndarray, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Inputs and targets are constant within an epoch, so each is computed once.
        empty = np.zeros((len(self.directions), INPUTS), np.float32)
        empty[:, 1 + 2 * RING + RULE] = 1
        fixating = empty.copy()
        fixating[:, 0] = 1
        bump = 0.8 * ring(self.directions)
        shown = fixating.copy()
        shown[:, 1 : 1 + RING] = bump * (self.modalities == 1)[:, None]
        shown[:, 1 + RING : 1 + 2 * RING] = bump * (self.modalities == 2)[:, None]
        object.__setattr__(self, "inputs", (empty, fixating, shown, fixating, empty))
        hold = np.full((len(self.directions), OUTPUTS), 0.05, np.float32)
        hold[:, 0] = 0.85
        answer = np.concatenate((np.full((len(bump), 1), 0.05), 0.05 + bump), 1).astype(np.float32)
        object.__setattr__(self, "targets", (hold, hold, hold, hold, answer))


def draw_trials(workload: Workload, iteration: int) -> Trials:
    """Draw the trials of an iteration."""
    random = np.random.default_rng(iteration)
    directions = random.uniform(0, 2 * math.pi, workload.sequences)
    return Trials(directions, random.integers(1, 3, workload.sequences))


def ring(directions: np.ndarray) -> np.ndarray:
    """Return a bump of width pi/8 around each direction: (B,) to (B, 32)."""
    preferred = 2 * math.pi * np.arange(RING) / RING
    apart = np.mod(directions[:, None] - preferred, 2 * math.pi)
    return np.exp(-0.5 * (8 * np.minimum(apart, 2 * math.pi - apart) / math.pi) ** 2)
