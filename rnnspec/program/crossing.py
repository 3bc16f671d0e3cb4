"""Crosses the values of several variables over the sequences of a batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from rnnspec.program.expression_nodes import Apply, Expression, Number, Rate, Variable
from rnnspec.program.nodes import Draw, Grid, Program
from rnnspec.program.types import APPLIED, CONSTANT, result_type


def cross(
    program: Program, names: Sequence[str], values: Sequence[Sequence[float]], plain: Program | None
) -> Program:
    """Return a program with a grid, in which every combination of the values of some variables is a pattern.

    names: variables with balanced patterns.  values: those of each.  plain: the program in which these
    variables are as in the spec, if it is valid.  One new variable is the number of the combination, and the
    variables follow from it.  Being the first and only balanced one of them, it occurs equally often whatever
    other balanced variables there are.
    """
    timeline = program.timeline
    taken = {d.name for d in timeline.draws} | {r.name for e in timeline.epochs for r in e.reads}
    taken |= {channel.name for channel in program.network.outputs}
    variable = next(f"condition{'_' * n}" for n in itertools.count() if f"condition{'_' * n}" not in taken)
    count = math.prod(map(len, values))
    old = {draw.name: draw for draw in timeline.draws}
    rate = Rate.SEQUENCE if timeline.trials == 1 else Rate.TRIAL
    type = replace(CONSTANT, rate=rate, random=True, low=0.0, high=float(count - 1))
    number = replace(
        old[names[0]],
        name=variable,
        patterns=tuple((_number(i),) * timeline.trials for i in range(count)),
        type=type,
    )
    crossed: dict[str, Draw] = {}
    stride = count
    for name, given in zip(names, values, strict=True):
        stride //= len(given)
        place: Expression = Variable(type, variable)
        place = _apply("floor", _apply("div", place, _number(stride))) if stride > 1 else place
        place = _apply("mod", place, _number(len(given))) if stride * len(given) < count else place
        value = _apply("pick", place, *(pattern[0] for pattern in old[name].patterns or ()))
        crossed[name] = replace(old[name], patterns=None, values=(value,))
    draws = [crossed.get(draw.name, draw) for draw in timeline.draws]
    grid = Grid(tuple(names), tuple(itertools.product(*values)), variable, plain)
    return replace(program, timeline=replace(timeline, draws=(number, *draws)), grid=grid)


def _number(value: float) -> Number:
    return Number(replace(CONSTANT, low=float(value), high=float(value)), float(value))


def _apply(function: str, *arguments: Expression) -> Apply:
    type = result_type(APPLIED[function], [argument.type for argument in arguments], None)
    return Apply(type, function, arguments)
