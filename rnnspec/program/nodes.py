"""The nodes of a program: frozen dataclasses without defaults, most with their path in the document.

Times are exact, in seconds (Fraction).  Ranges of units include the start and exclude the stop.  A program
has no theta, batches or tensors: these belong to a simulation (`runtime/schedule.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rnnspec.program.expression_nodes import Expression, Type

Path = tuple[str | int, ...]

# --- network -----------------------------------------------------------------------------------------

Sign = Literal["excitatory", "inhibitory"]


@dataclass(frozen=True)
class Population:
    path: Path
    name: str
    start: int
    stop: int
    tau: Fraction
    sign: Sign | None


@dataclass(frozen=True)
class Activation:
    """A function of `rnnspec/spec/activations.py`.  arguments: the values of its options."""

    path: Path
    name: str
    arguments: tuple[float, ...]


@dataclass(frozen=True)
class Noise:
    """none; white: scale sqrt(2 tau / dt) xi; ou: scale eta, eta' = (1 - dt/tau) eta + sqrt(2 dt/tau) xi.

    xi: independent standard normal numbers.  tau: of the units (white) or of the noise (ou), in seconds.
    """

    path: Path
    kind: Literal["none", "white", "ou"]
    scale: float
    tau: Fraction


@dataclass(frozen=True)
class InputChannel:
    """Columns start to stop of w_in.  targets: the names of the populations that it projects to."""

    path: Path
    name: str
    start: int
    stop: int
    ring: bool
    targets: tuple[str, ...]


@dataclass(frozen=True)
class OutputChannel:
    """Rows start to stop of w_out.  sources: the names of the populations that it reads."""

    path: Path
    name: str
    start: int
    stop: int
    ring: bool
    sources: tuple[str, ...]
    activation: Activation


@dataclass(frozen=True)
class Distribution:
    """normal(mean, sd), uniform(a, b), gamma(k, theta), orthogonal(gain), identity(gain), zeros()."""

    path: Path
    name: str
    arguments: tuple[float, ...]


@dataclass(frozen=True)
class Block:
    """The part of a weight matrix for one connection (rows: to, columns: from).

    init: None for the distribution of the matrix.  density: the probability that a connection between two
    units exists, drawn for each network.  sign: of the effective weights.  self_connections: whether the
    diagonal of w_rec exists here.
    """

    path: Path
    name: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    present: bool
    init: Distribution | None
    density: float
    trainable: bool
    sign: Sign | None
    self_connections: bool


@dataclass(frozen=True)
class Matrix:
    """w_rec (units, units), w_in (units, input units) or w_out (output units, units).

    blocks: cover the matrix exactly, without overlap.  radius: the spectral radius to which the initial
    matrix is scaled, or None.
    """

    path: Path
    name: Literal["w_rec", "w_in", "w_out"]
    rows: int
    columns: int
    init: Distribution
    radius: float | None
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Network:
    path: Path
    dt: Fraction
    populations: tuple[Population, ...]
    activation: Activation
    noise: Noise
    inputs: tuple[InputChannel, ...]
    outputs: tuple[OutputChannel, ...]
    w_rec: Matrix
    w_in: Matrix
    w_out: Matrix
    bias: Distribution
    readout_bias: bool
    dale: Literal["relu", "abs"]

    @property
    def units(self) -> int:
        return self.populations[-1].stop

    @property
    def input_units(self) -> int:
        return self.inputs[-1].stop if self.inputs else 0

    @property
    def output_units(self) -> int:
        return self.outputs[-1].stop if self.outputs else 0


# --- task --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drive:
    """The value of an input channel in an epoch; it varies within the epoch if value.type.rate is POINT."""

    path: Path
    channel: str
    value: Expression


#: How the distance of an output from its target is measured: squared error, or the cross-entropy of a
#: softmax output with its target.
Error = Literal["squared", "cross_entropy"]


@dataclass(frozen=True)
class Target:
    """What an output channel should be in an epoch, and the error that enters the loss."""

    path: Path
    channel: str
    value: Expression
    error: Error


@dataclass(frozen=True)
class Read:
    """A value computed, without gradient, from the outputs at the last step of an epoch in each sequence."""

    path: Path
    name: str
    value: Expression


@dataclass(frozen=True)
class Duration:
    """The duration of an epoch in seconds: an exact time, or an expression of draws; the other is None."""

    path: Path
    time: Fraction | None
    value: Expression | None


@dataclass(frozen=True)
class Epoch:
    """A part of a trial.

    drives, targets: of the channels that have one; inherited ones are included.  weight: None for 1.
    correct: None if the epoch is not scored.  An epoch without gradient has no targets.
    """

    path: Path
    name: str
    duration: Duration
    jitter: Fraction
    grace: Fraction
    gradient: bool
    phase: str
    drives: tuple[Drive, ...]
    targets: tuple[Target, ...]
    weight: Expression | None
    correct: Expression | None
    reads: tuple[Read, ...]


@dataclass(frozen=True)
class Draw:
    """A variable: a named value that is random or computed from other variables.

    scope: drawn once per sequence or once per trial.  values: one expression, or (scope sequence) one per
    trial.  patterns: None, or balanced patterns of one value per trial, see `dealing.py`; values is empty.
    available: None if the value is known before the simulation; if it depends on reads, the number of epochs
    of the trial after which it is known (0: at its start).
    """

    path: Path
    name: str
    scope: Literal["sequence", "trial"]
    values: tuple[Expression, ...]
    patterns: tuple[tuple[Expression, ...], ...] | None
    type: Type
    available: int | None


@dataclass(frozen=True)
class Timeline:
    """A sequence: burn_in (0 for none), then the epochs, `trials` times.

    draws: each after those that it depends on.
    """

    path: Path
    trials: int
    burn_in: Fraction
    draws: tuple[Draw, ...]
    epochs: tuple[Epoch, ...]
    success: Expression | None
    scored: Expression | None

    @property
    def ragged(self) -> bool:
        """Whether the sequences of a batch can have different durations."""
        return any(epoch.duration.value is not None for epoch in self.epochs)

    @property
    def phases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(epoch.phase for epoch in self.epochs if epoch.correct or epoch.targets))

    @property
    def scored_phases(self) -> tuple[str, ...]:
        """The phases whose performance is measured, in the order of their first epochs with `correct`."""
        return tuple(dict.fromkeys(epoch.phase for epoch in self.epochs if epoch.correct is not None))


# --- skips, coarsening -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Annealing:
    """A value that changes from `start` to 1 in S = increments equal steps.

    In iteration i, min(S, floor(i (S + 1) / over)) of the steps have been made.  over: in iterations.
    """

    path: Path
    start: Fraction
    increments: int
    over: Fraction


@dataclass(frozen=True)
class Event:
    """The start or end of an epoch, or of the trial (epoch is None), plus an offset in seconds."""

    epoch: str | None
    edge: Literal["start", "end"]
    offset: Fraction


@dataclass(frozen=True)
class PeriodicSkip:
    """A skip that lands every `every` seconds, counted from each start of its scope."""

    path: Path
    name: str
    kind: Literal["sctt", "dasc"]
    increment_side: Literal["departing", "arriving"]
    every: Fraction
    scope: Literal["epoch", "trial", "sequence"]
    beta: Annealing


@dataclass(frozen=True)
class PointSkip:
    """A skip from one event to another, once per trial."""

    path: Path
    name: str
    kind: Literal["sctt", "dasc"]
    increment_side: Literal["departing", "arriving"]
    source: Event
    target: Event
    beta: Annealing


Skip = PeriodicSkip | PointSkip

# --- training ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Penalty:
    """coefficient * mean |x| (l1) or coefficient * mean x^2 (l2), for x = rate, w_rec, w_in or w_out."""

    path: Path
    quantity: Literal["rate", "w_rec", "w_in", "w_out"]
    norm: Literal["l1", "l2"]
    coefficient: float


@dataclass(frozen=True)
class Optimizer:
    path: Path
    kind: Literal["adam", "adamw", "sgd", "rmsprop"]
    learning_rate: float
    options: tuple[tuple[str, float], ...]


#: In `Stop.of`, what `task.success` measures; a phase cannot be meant by this word.
SUCCESS = "success"


@dataclass(frozen=True)
class Stop:
    """Stop when the mean performance, trimmed by floor(trim K) networks at each end, reaches this.

    of: names of phases, each of which must reach it, and SUCCESS; None for the performance in whole trials.
    """

    path: Path
    performance: float
    trim: float
    of: tuple[str, ...] | None


@dataclass(frozen=True)
class Training:
    """evaluate_every: iterations between evaluations, 0 for none.  evaluate_batch: sequences in each."""

    path: Path
    networks: int
    batch: int
    iterations: int
    optimizer: Optimizer
    penalties: tuple[Penalty, ...]
    clip: float | None
    stop: Stop | None
    independent_trials: bool
    evaluate_every: int
    evaluate_batch: int
    seed: int


@dataclass(frozen=True)
class Grid:
    """Conditions: combinations of the values of some variables, dealt to the sequences of a batch.

    names: of the variables.  values: one row for each condition, the last variable varies fastest.  number:
    the variable that holds the number of the condition of a sequence.  plain: the same program without
    conditions; None if it has errors.
    """

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    number: str
    plain: Program | None


@dataclass(frozen=True)
class Program:
    """The meaning of one spec: everything that training, evaluation and simulation need.

    grid: the conditions of a question, None without any.
    """

    name: str
    label: str
    summary: str
    network: Network
    timeline: Timeline
    skips: tuple[Skip, ...]
    coarsening: Annealing | None
    training: Training
    grid: Grid | None = None
