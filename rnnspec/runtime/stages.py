"""Annealing: the betas and theta of each iteration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rnnspec.program.nodes import Annealing, Program
from rnnspec.runtime.batch import Stage


@dataclass(frozen=True)
class AnnealingStage:
    """The stages of annealing in one iteration.

    edges: the stage number of each of program.skips.  coarsening: the stage number of theta, None without
    coarsening.  stage: the resulting betas and theta.
    """

    edges: tuple[int, ...]
    coarsening: int | None
    stage: Stage


def stage_at(program: Program, iteration: int) -> AnnealingStage:
    """Return the stage numbers, betas and theta of an iteration (counted from 0).

    stage = min(S, floor(i (S + 1) / over)),  beta = from + (1 - from) stage / S,
    theta = max(1, from (S - stage) / S)          Soo et al. 2023, section 4
    """
    edges = tuple(stage_number(skip.beta, iteration) for skip in program.skips)
    betas = tuple(beta(skip.beta, stage) for skip, stage in zip(program.skips, edges, strict=True))
    if program.coarsening is None:
        return AnnealingStage(edges, None, Stage(Fraction(1), betas))
    number = stage_number(program.coarsening, iteration)
    return AnnealingStage(edges, number, Stage(theta(program.coarsening, number), betas))


def stage_number(annealing: Annealing, iteration: int) -> int:
    """Return the stage number of an iteration: each of the S + 1 stages takes `over` / (S + 1) iterations."""
    return min(annealing.increments, math.floor(iteration * (annealing.increments + 1) / annealing.over))


def beta(annealing: Annealing, stage: int) -> float:
    """Return the weight of the base path in a stage: exactly 1 in the last stage."""
    return float(annealing.start + (1 - annealing.start) * Fraction(stage, annealing.increments))


def theta(annealing: Annealing, stage: int) -> Fraction:
    """Return the coarsening factor of a stage: exactly 1 in the last stage."""
    rest = Fraction(annealing.increments - stage, annealing.increments)
    return max(Fraction(1), annealing.start * rest)


def next_change(program: Program, iteration: int) -> int | None:
    """Return the next iteration at which a beta or theta changes, None if they no longer change."""
    return min(_changes(program, iteration), default=None)


def _changes(program: Program, iteration: int) -> Iterator[int]:
    for annealing in (*(skip.beta for skip in program.skips), program.coarsening):
        if annealing is None or annealing.start == 1:
            continue
        stage = stage_number(annealing, iteration)
        if stage < annealing.increments:
            yield math.ceil((stage + 1) * annealing.over / (annealing.increments + 1))
