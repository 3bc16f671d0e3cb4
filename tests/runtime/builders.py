"""Small programs written out by hand; times are in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal, cast

from rnnspec.program.expression_nodes import Rate, Type, Variable
from rnnspec.program.nodes import (
    Activation,
    Annealing,
    Block,
    Distribution,
    Duration,
    Epoch,
    Event,
    Matrix,
    Network,
    Noise,
    Optimizer,
    OutputChannel,
    PeriodicSkip,
    PointSkip,
    Population,
    Program,
    Timeline,
    Training,
)
from rnnspec.runtime.batch import Batch, Stage

BETA = Annealing((), Fraction(1, 2), 1, Fraction(1))


def ms(time: float | str | Fraction) -> Fraction:
    return Fraction(time) / 1000


def epoch(name: str, duration: float | str | None, **changes: Any) -> Epoch:
    """Return an epoch.  duration: None for one that is drawn, between 0 s and 0.4 s."""
    if duration is None:
        drawn = Variable(Type("number", None, Rate.TRIAL, False, True, 0.0, 0.4), "wait")
        length = Duration((), None, drawn)
    else:
        length = Duration((), ms(duration), None)
    for time in ("jitter", "grace"):
        changes[time] = ms(changes.get(time, 0))
    plain = Epoch((), name, length, ms(0), ms(0), True, name, (), (), None, None, ())
    return replace(plain, **changes)


def every(period: float | str, scope: Any = "epoch", kind: Any = "sctt", increment: Any = "departing") -> Any:
    return PeriodicSkip((), "regular", kind, increment, ms(period), scope, BETA)


def event(text: str, offset: float = 0) -> Event:
    name, edge = cast("tuple[str, Literal['start', 'end']]", text.split("."))
    return Event(None if name == "trial" else name, edge, ms(offset))


def between(source: Event, target: Event, kind: Any = "sctt", increment: Any = "departing") -> PointSkip:
    return PointSkip((), "single", kind, increment, source, target, BETA)


def distribution(name: str, *arguments: float) -> Distribution:
    return Distribution((), name, arguments)


def block(rows: tuple[int, int], columns: tuple[int, int], **changes: Any) -> Block:
    return replace(Block((), "", rows, columns, True, None, 1.0, True, None, True), **changes)


def matrix(name: Any, rows: int, columns: int, init: Distribution, *blocks: Block, **changes: Any) -> Matrix:
    """Return a matrix; by default, one block covers it."""
    whole = blocks or (block((0, rows), (0, columns)),)
    return replace(Matrix((), name, rows, columns, init, None, whole), **changes)


def network(units: int = 4, **changes: Any) -> Network:
    """Return a network with dt 5 ms and one population with tau 100 ms, without noise or inputs."""
    one = distribution("normal", 0.0, 1.0)
    linear = Activation((), "linear", ())
    plain = Network(
        (),
        ms(5),
        (Population((), "all", 0, units, ms(100), None),),
        Activation((), "relu", ()),
        Noise((), "none", 0.0, ms(100)),
        (),
        (OutputChannel((), "choice", 0, 2, False, ("all",), linear),),
        matrix("w_rec", units, units, one),
        matrix("w_in", units, 0, one),
        matrix("w_out", 2, units, one),
        distribution("zeros"),
        False,
        "relu",
    )
    return replace(plain, **changes)


def program(
    *epochs: Epoch, trials: int = 1, burn_in: float | str = 0, skips: tuple[Any, ...] = (), net: Any = None
) -> Program:
    timeline = Timeline((), trials, ms(burn_in), (), epochs or (epoch("only", 50),), None, None)
    optimizer = Optimizer((), "adam", 0.001, ())
    training = Training((), 1, 20, 100, optimizer, (), None, None, False, 10, 200, 0)
    return Program("small", "small", "", net or network(), timeline, skips, None, training)


def batch(sequences: int = 3, *, theta: float | str | Fraction = 1, **changes: Any) -> Batch:
    return replace(Batch(sequences, 7, 11, "train", Stage(Fraction(theta), ())), **changes)
