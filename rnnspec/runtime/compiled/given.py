"""Conditions on compiled kernels: the kernel of the plain program is given values of its variables."""

from __future__ import annotations

from rnnspec.codegen.constants import value_of
from rnnspec.program.dealing import dealt_patterns
from rnnspec.program.nodes import Draw, Program
from rnnspec.program.timing import duration_draws
from rnnspec.runtime.batch import Batch

#: A value for each sequence and trial, (B, trials).
Values = list[list[float]]


def kernel_program(program: Program) -> Program:
    """Return the program whose kernel simulates a program: that without its conditions, if it can.

    It cannot where the patterns of another balanced variable are not constant: they are dealt otherwise under
    conditions.  Nor where networks have trials of their own and the conditions decide durations in place of
    other draws: only draws that decide durations are the same for all networks.
    """
    grid = program.grid
    if grid is None or grid.plain is None:
        return program
    shared = [duration_draws(p.timeline) - {*grid.names, grid.number} for p in (program, grid.plain)]
    alike = shared[0] == shared[1] or not program.training.independent_trials
    constant = all(_constants(draw) for draw in program.timeline.draws if draw.patterns is not None)
    return grid.plain if constant and alike else program


def given_values(program: Program, batch: Batch) -> dict[str, Values]:
    """Return the values, by name, of the variables that the kernel of a program does not deal as the program.

    They are the variables of conditions, the number of the condition, and the other balanced variables.
    """
    grid, found = program.grid, dict[str, Values]()
    if grid is None or kernel_program(program) is program:
        return found
    for draw in program.timeline.draws:
        if draw.patterns is not None:
            training = batch.purpose == "train"
            dealt = dealt_patterns(program, draw.name, batch.sequences, batch.iteration, training=training)
            rows = _constants(draw)
            found[draw.name] = [rows[pattern] for pattern in dealt]
    for column, name in enumerate(grid.names):
        found[name] = [[grid.values[int(n)][column] for n in numbers] for numbers in found[grid.number]]
    return found


def _constants(draw: Draw) -> list[list[float]]:
    """Return the values of each balanced pattern, one a trial; [] if some are not constant."""
    rows = [[value_of(value) for value in pattern] for pattern in draw.patterns or ()]
    known = [[value for value in row if value is not None] for row in rows]
    return known if list(map(len, known)) == list(map(len, rows)) else []
