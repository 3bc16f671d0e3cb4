"""Evaluate expressions with torch, and draw the variables of a batch.

Shapes: a number is (K', B), K' being K or 1; a value that changes over time points has a leading axis L;
a vector has its units as the last axis.  Numbers meet vectors through a new last axis.  Truth values are
1.0 and 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from rnnspec.program.dealing import dealt_patterns
from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Number,
    Output,
    Previous,
    Random,
    Variable,
    White,
)
from rnnspec.program.nodes import Draw, Program
from rnnspec.program.timing import duration_draws
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.noise import draw_words
from rnnspec.runtime.reference.functions import ELEMENTWISE, FOR_CHANNEL, OF_VECTOR, RANDOM, Words, pick

Given = TypeVar("Given")


@dataclass(frozen=True)
class Environment:
    """The values that the expressions of one trial may use.

    variables, previous: (K', B) by name, of this trial and of the preceding one; previous is None in the
    first trial.  outputs: by channel, (L, K, B) or (L, K, B, C).  clock: t in seconds, (L, 1, 1).
    words: the random words of a call, (K', B) each.  white: white(1) of a call for the channel that the
    expression drives, (K', B) or (K', B, C).
    """

    device: torch.device
    variables: Mapping[str, Tensor] = field(default_factory=dict)
    previous: Mapping[str, Tensor] | None = None
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    clock: Tensor | None = None
    words: Callable[[int], Words] | None = None
    white: Callable[[int], Tensor] | None = None


def evaluate(expression: Expression, environment: Environment) -> Tensor:
    """Return the value of an expression; literals are float64."""
    match expression:
        case Number(value=value):
            return torch.full((1, 1), value, dtype=torch.float64, device=environment.device)
        case Variable(name=name):
            return environment.variables[name]
        case Previous(name=name, initial=initial):
            if environment.previous is None:
                return evaluate(initial, environment)
            return environment.previous[name]
        case Output(name=name):
            return environment.outputs[name]
        case Clock():
            return _given(environment.clock, expression)
        case White(scale=scale, call=call):
            amount = evaluate(scale, environment)
            standard = _given(environment.white, expression)(call)
            return standard * (amount if expression.type.size is None else amount.unsqueeze(-1))
        case Random(function=function, arguments=arguments, call=call):
            words = _given(environment.words, expression)(call)
            return RANDOM[function](words, *(evaluate(argument, environment) for argument in arguments))
        case Apply():
            return _apply(expression, environment)


def _apply(expression: Apply, environment: Environment) -> Tensor:
    values = [evaluate(argument, environment) for argument in expression.arguments]
    function = expression.function
    if function in FOR_CHANNEL:
        return FOR_CHANNEL[function](expression.type.size, *values)
    if function in OF_VECTOR:
        return OF_VECTOR[function](*values)
    sizes = [argument.type.size for argument in expression.arguments]
    if any(size is not None for size in sizes):
        values = [v.unsqueeze(-1) if size is None else v for v, size in zip(values, sizes, strict=True)]
    return ELEMENTWISE[function](*values)


def _given(value: Given | None, expression: Expression) -> Given:
    if value is None:
        raise ValueError(f"{type(expression).__name__} has no value here")
    return value


# --- draws -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """The variables of a batch that are known before it is simulated.

    variables: of each trial, the draws that depend on no read, (K', B) by name.  durations: of each
    sequence, trial and epoch, the seconds of a drawn duration (None: a fixed time); None if no epoch has
    a drawn duration.
    """

    variables: tuple[dict[str, Tensor], ...]
    durations: tuple[tuple[tuple[float | None, ...], ...], ...] | None


def draw(
    program: Program,
    batch: Batch,
    networks: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Drawn:
    """Draw the variables of a batch that depend on no read, and the durations.

    networks: K.  The arithmetic is float64; dtype is that of the result.
    """
    trials: list[dict[str, Tensor]] = []
    for trial in range(program.timeline.trials):
        trials.append({})
        for variable in program.timeline.draws:
            if variable.available is None:
                value = settle(program, batch, variable, trial, trials, networks, device)
                trials[trial][variable.name] = value
    durations = _durations(program, batch, trials, torch.device(device)) if program.timeline.ragged else None
    return Drawn(tuple({name: v.to(dtype) for name, v in known.items()} for known in trials), durations)


def settle(
    program: Program,
    batch: Batch,
    variable: Draw,
    trial: int,
    trials: Sequence[Mapping[str, Tensor]],
    networks: int,
    device: torch.device | str = "cpu",
    sequences: range | None = None,
) -> Tensor:
    """Return the value of a draw in one trial, (K', B), from the variables on which it depends.

    trials: the variables of each trial up to this one, as far as they are known.  networks: K.
    sequences: those that `trials` holds, all of the batch if None.
    """
    device = torch.device(device)
    numbers = torch.tensor(list(range(batch.sequences) if sequences is None else sequences), device=device)
    own = program.training.independent_trials and variable.name not in duration_draws(program.timeline)

    def words(call: int) -> Words:
        at = None if variable.scope == "sequence" else [trial]
        a, b, c, d = draw_words(batch, call, at, networks if own else None, device)
        return a[:, numbers, 0], b[:, numbers, 0], c[:, numbers, 0], d[:, numbers, 0]

    previous = trials[trial - 1] if trial > 0 else None
    environment = Environment(device, trials[trial], previous, words=words)
    if variable.patterns is not None:
        training = batch.purpose == "train"
        dealt = dealt_patterns(program, variable.name, batch.sequences, batch.iteration, training=training)
        index = torch.tensor([dealt[b] for b in numbers.tolist()])
        values = [evaluate(pattern[trial], environment) for pattern in variable.patterns]
        value = pick(index.to(device).unsqueeze(0), *values)
    else:
        value = evaluate(variable.values[trial if len(variable.values) > 1 else 0], environment)
    return value.expand(value.shape[0], len(numbers))


def _durations(
    program: Program, batch: Batch, trials: Sequence[Mapping[str, Tensor]], device: torch.device
) -> tuple[tuple[tuple[float | None, ...], ...], ...]:
    columns: list[list[list[float] | None]] = []
    for trial, variables in enumerate(trials):
        environment = Environment(device, variables, trials[trial - 1] if trial > 0 else None)
        columns.append([])
        for epoch in program.timeline.epochs:
            if epoch.duration.value is None:
                columns[trial].append(None)
                continue
            seconds = evaluate(epoch.duration.value, environment)
            columns[trial].append(seconds.expand(1, batch.sequences)[0].tolist())
    return tuple(
        tuple(tuple(None if c is None else c[b] for c in epochs) for epochs in columns)
        for b in range(batch.sequences)
    )
