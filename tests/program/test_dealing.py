"""Balanced variables are crossed, and dealt evenly over sequences and batches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import product

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from support import program

from rnnspec.program.dealing import combinations, deals, dealt_combination
from rnnspec.program.nodes import Timeline

PATTERNS = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def timeline(patterns: Sequence[int]) -> Timeline:
    """Return a timeline of balanced variables with so many patterns each."""
    values = (f"v{i}: {{balanced: {[[p] for p in range(count)]}}}" for i, count in enumerate(patterns))
    return program(f"task: {{sequence: {{{', '.join(values)}}}}}").timeline


def batches(patterns: Sequence[int], sequences: int, count: int) -> list[list[tuple[int, ...]]]:
    """Return the patterns of all variables in each sequence of the first batches."""
    found = timeline(patterns)
    each, all_of_them = deals(found).values(), combinations(found)
    return [
        [
            tuple(deal.pattern(dealt_combination(b, sequences, turn, all_of_them)) for deal in each)
            for b in range(sequences)
        ]
        for turn in range(count)
    ]


@examples(60)
@given(PATTERNS, st.integers(1, 80))
def test_combinations_are_dealt_equally_often(patterns: list[int], sequences: int) -> None:
    """In each batch up to one, and after enough batches exactly."""
    every = list(product(*map(range, patterns)))
    total: Counter[tuple[int, ...]] = Counter()
    for batch in batches(patterns, sequences, len(every) // math.gcd(len(every), sequences)):
        held = Counter(batch)
        assert max(held[c] for c in every) - min(held[c] for c in every) <= 1
        for place, count in enumerate(patterns):
            own = Counter(c[place] for c in batch)
            apart = max(own[p] for p in range(count)) - min(own[p] for p in range(count))
            # A variable whose patterns fit into the batch is balanced in each of them, crossed or not.
            assert apart <= (0 if sequences % count == 0 else 2)
        total += held
    assert len({total[c] for c in every}) == 1


@pytest.mark.parametrize("sequences", [4, 12])
def test_one_variable_that_fits_has_the_same_patterns_in_every_batch(sequences: int) -> None:
    expected = [(b * 4 // sequences,) for b in range(sequences)]
    assert batches([4], sequences, 3) == [expected] * 3


def test_two_equal_variables_are_crossed() -> None:
    assert batches([2, 2], 4, 1) == [[(0, 0), (1, 1), (0, 1), (1, 0)]]
    assert batches([2, 2], 2, 3) == [[(0, 0), (1, 1)], [(0, 1), (1, 0)], [(0, 0), (1, 1)]]


def test_a_batch_smaller_than_the_patterns_moves_on() -> None:
    assert batches([5], 2, 3) == [[(0,), (1,)], [(2,), (3,)], [(4,), (0,)]]
