"""Dealing: which balanced patterns each sequence of a batch gets.

The balanced variables of a task are crossed.  Their combinations, numbered from 0, are dealt in turn to all
sequences of a training, so that each batch begins where the one before it ended.  Evaluations have a turn of
their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnnspec.program.nodes import Program, Timeline


@dataclass(frozen=True)
class Deal:
    """How the pattern of a balanced variable follows from the number of a combination.

    patterns: P of them.  span: S, the combinations of this variable and the balanced ones before it.
    period: L, the combinations after which the same patterns would meet again.
    """

    patterns: int
    span: int
    period: int

    def pattern(self, combination: int) -> int:
        """Return the number of the pattern: (r + floor(r / L)) mod P, with r = combination mod S.

        Of any P combinations in a row that begin at a multiple of P, each has another pattern.
        """
        rest = combination % self.span
        return (rest + rest // self.period) % self.patterns


def deals(timeline: Timeline) -> dict[str, Deal]:
    """Return how each balanced variable is dealt, by name, in the order in which they are crossed.

    S combinations in a row are those of a variable of Q = S / P patterns, which stands for all before, and
    one of P.  In each of the gcd(Q, P) stretches of L = lcm(Q, P) combinations, the patterns of both run side
    by side, each time with another offset.
    """
    found: dict[str, Deal] = {}
    before = 1
    for draw in timeline.draws:
        if draw.patterns is not None:
            count = len(draw.patterns)
            found[draw.name] = Deal(count, before * count, math.lcm(before, count))
            before *= count
    return found


def combinations(timeline: Timeline) -> int:
    """Return the number of combinations of all balanced patterns; 1 without any."""
    return math.prod(len(draw.patterns) for draw in timeline.draws if draw.patterns is not None)


def evaluations_apart(program: Program) -> int:
    """Return the number of iterations from one evaluation to the next, for the turn of evaluations."""
    return max(program.training.evaluate_every, 1)


def dealt_combination(sequence: int, sequences: int, turn: int, count: int) -> int:
    """Return the combination of sequence b in a batch of B: one of `count`.

    turn: the number of the batch: the iteration in training, and ceil(iteration / every) in evaluations.
    The batch has the combinations from turn * B on, modulo count; equal ones are neighbours.
    """
    whole, more = divmod(sequences, count)
    # The first `more` combinations have whole + 1 sequences each, the others `whole`.
    place = sequence // (whole + 1)
    if place >= more:
        place = (sequence - more) // whole
    return (turn * sequences + place) % count


def dealt_patterns(
    program: Program, name: str, sequences: int, iteration: int, *, training: bool
) -> list[int]:
    """Return the number of the pattern of a balanced variable in each sequence of a batch of B."""
    deal, count = deals(program.timeline)[name], combinations(program.timeline)
    turn = iteration if training else -(-iteration // evaluations_apart(program))
    return [deal.pattern(dealt_combination(b, sequences, turn, count)) for b in range(sequences)]
