"""The representation: frozen dataclasses without defaults; every statement knows its path in the document.

Times are exact seconds (Fraction).  Unit and channel ranges are half open.  Nothing here knows about
theta, batches or tensors: those are data of a run (`runtime/schedule.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Literal

Path = tuple[str | int, ...]

# --- expressions -------------------------------------------------------------------------------------


class Rate(IntEnum):
    """How often a value changes."""

    CONSTANT = 0
    SEQUENCE = 1
    TRIAL = 2
    POINT = 3  # at every time point of an epoch


@dataclass(frozen=True)
class Type:
    """The kind of a value.

    size: None for a number or truth value, else the units of a vector.  reads: depends on a read, hence
    differs between networks.  random: contains a draw.  low, high: bounds of the value, maybe infinite.
    """

    kind: Literal["number", "truth"]
    size: int | None
    rate: Rate
    reads: bool
    random: bool
    low: float
    high: float


@dataclass(frozen=True)
class Number:
    """A literal; times are in seconds."""

    type: Type
    value: float


@dataclass(frozen=True)
class Variable:
    """The value of a draw or read of the current trial."""

    type: Type
    name: str


@dataclass(frozen=True)
class Previous:
    """The value a variable had in the preceding trial of the sequence; `initial` in the first."""

    type: Type
    name: str
    initial: Expression


@dataclass(frozen=True)
class Output:
    """An output channel: a number if its size is 1, else a vector (only in `correct` and `read`)."""

    type: Type
    name: str


@dataclass(frozen=True)
class Clock:
    """t, seconds since the epoch began."""

    type: Type


@dataclass(frozen=True)
class Apply:
    """A function or operator applied to its arguments.

    function: a name of types.APPLIED, among them the operators add, sub, mul, div, mod, pow, neg, lt,
    le, gt, ge, eq, ne, and, or, not.  The size of the vector that `ring` and `onehot` make is type.size.
    """

    type: Type
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Random:
    """A random call: uniform, normal, choice, bernoulli, integer or exponential.

    call: the first 32 bits of SHA-256 over `name#place`, name the variable's and place the number of
    random calls before this one in its expression (or list).
    """

    type: Type
    function: str
    arguments: tuple[Expression, ...]
    call: int


@dataclass(frozen=True)
class White:
    """white(s): fresh noise at every step and unit of the channel; call: its number in the expression."""

    type: Type
    scale: Expression
    call: int


Expression = Number | Variable | Previous | Output | Clock | Apply | Random | White


def children(node: Expression) -> tuple[Expression, ...]:
    """Return the expressions directly below one."""
    match node:
        case Apply(arguments=arguments) | Random(arguments=arguments):
            return arguments
        case Previous(initial=initial):
            return (initial,)
        case White(scale=scale):
            return (scale,)
        case _:
            return ()


def walk(node: Expression) -> Iterator[Expression]:
    """Yield an expression and all below it, parents first, left to right."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


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
    """relu, softplus, tanh, retanh, sigmoid, linear, softmax, leaky_relu(slope), power(exponent)."""

    path: Path
    name: str
    arguments: tuple[float, ...]


@dataclass(frozen=True)
class Noise:
    """none; white: scale sqrt(2 tau / dt) xi; ou: scale eta, eta' = (1 - dt/tau) eta + sqrt(2 dt/tau) xi."""

    path: Path
    kind: Literal["none", "white", "ou"]
    scale: float
    tau: Fraction


@dataclass(frozen=True)
class InputChannel:
    """Columns start to stop of w_in.  targets: the names of the populations it reaches."""

    path: Path
    name: str
    start: int
    stop: int
    ring: bool
    targets: tuple[str, ...]


@dataclass(frozen=True)
class OutputChannel:
    """Rows start to stop of w_out.  sources: the names of the populations it is read from."""

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
    """A rectangle of a weight matrix (rows: to, columns: from) that departs from the rest of it.

    init: None, that of the matrix.  density: the probability of each connection, drawn per network.
    sign: of the effective weights.  self_connections: whether the diagonal of w_rec exists here.
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

    blocks cover the matrix exactly, without overlap.  radius: scale the assembled initial matrix to
    this spectral radius, or None.
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
    """What an input channel carries in an epoch: constant over it unless value.type.rate is POINT."""

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
    """A value taken from the outputs at each sequence's own last step of the epoch, without gradient."""

    path: Path
    name: str
    value: Expression


@dataclass(frozen=True)
class Duration:
    """How long an epoch lasts: an exact time, or an expression over draws in seconds (then time is None)."""

    path: Path
    time: Fraction | None
    value: Expression | None


@dataclass(frozen=True)
class Epoch:
    """A part of a trial.

    drives, targets: only the channels that have one; inheritance is resolved.  weight: None for 1.
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
    """A named random or derived value.

    scope: once per sequence or per trial.  values: one expression, or (scope sequence) one per trial.
    patterns: None, or the balanced patterns, each one value per trial; pattern floor(b P / B) goes to
    sequence b (values is then empty).  available: None if known before the simulation; else the number
    of epochs of the trial after which it is known (0: at the trial's start), because it depends on reads.
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
    """A sequence: burn_in (0 for none), then `trials` times the epochs.  draws in dependence order."""

    path: Path
    trials: int
    burn_in: Fraction
    draws: tuple[Draw, ...]
    epochs: tuple[Epoch, ...]
    success: Expression | None
    scored: Expression | None

    @property
    def ragged(self) -> bool:
        """Whether sequences of one batch may differ in their durations."""
        return any(epoch.duration.value is not None for epoch in self.epochs)

    @property
    def phases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(epoch.phase for epoch in self.epochs if epoch.correct or epoch.targets))


# --- skips, coarsening -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Annealing:
    """Stage s of S = increments, in iteration i: min(S, floor(i (S + 1) / over)); over: iterations."""

    path: Path
    start: Fraction
    increments: int
    over: Fraction


@dataclass(frozen=True)
class Event:
    """The start or end of an epoch, or of the trial (epoch None), and an offset in seconds."""

    epoch: str | None
    edge: Literal["start", "end"]
    offset: Fraction


@dataclass(frozen=True)
class PeriodicSkip:
    """Lands every `every` seconds, restarting at each beginning of its scope."""

    path: Path
    name: str
    kind: Literal["sctt", "dasc"]
    increment_side: Literal["departing", "arriving"]
    every: Fraction
    scope: Literal["epoch", "trial", "sequence"]
    beta: Annealing


@dataclass(frozen=True)
class PointSkip:
    """One skip per trial, from one event to another."""

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
    """coefficient * mean |x| (l1) or mean x^2 (l2) of rate, w_rec, w_in or w_out."""

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


@dataclass(frozen=True)
class Stop:
    """Stop when the mean performance without floor(trim K) networks at each end reaches this."""

    path: Path
    performance: float
    trim: float


@dataclass(frozen=True)
class Training:
    """evaluate_every: iterations between evaluations, 0 for none; evaluate_batch: their sequences."""

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
class Program:
    """Everything one spec means."""

    name: str
    label: str
    summary: str
    network: Network
    timeline: Timeline
    skips: tuple[Skip, ...]
    coarsening: Annealing | None
    training: Training
