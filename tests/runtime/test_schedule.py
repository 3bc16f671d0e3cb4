"""Schedules against what was counted by hand: dt is 5 ms throughout."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from effort import calls_of
from runtime.builders import between, epoch, event, every, ms, program

from rnnspec.program.nodes import Program
from rnnspec.runtime import schedule
from rnnspec.runtime.schedule import (
    Landing,
    Segment,
    Timetable,
    epoch_steps,
    gradient_hops,
    mean_epoch_steps,
    mean_steps,
    timetable,
)

ONE = Fraction(1)


def lay_out(
    spec: Program, steps: tuple[int, ...] | None = None, theta: float | str = 1, beta: float = 0.5
) -> Timetable:
    factor = Fraction(theta)
    if steps is None:
        steps = mean_epoch_steps(spec, factor)
    return timetable(spec, factor, [beta] * len(spec.skips), steps)


def pairs(table: Timetable) -> list[tuple[int, int]]:
    return [(landing.source, landing.state) for landing in table.landings]


# --- steps -------------------------------------------------------------------------------------------


def test_durations_are_cut_to_steps_once() -> None:
    # 100 ms = 20 steps; 12 ms = 2.4 -> 2; 1 ms = 0.2 -> at least 1.
    spec = program(epoch("a", 100), epoch("b", 12), epoch("c", 1))
    assert epoch_steps(spec, ONE) == (20, 2, 1)


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        ("10", (2, 1)),  # 20/10, 2.4/10 -> at least 1
        ("3", (6, 1)),  # 6.67, 0.8
        ("5/3", (12, 1)),  # 12 exactly, which 20 / (5/3) in floats may miss; 1.44
        ("8.5", (2, 1)),
        ("6/5", (16, 2)),  # 16.67; 2.4 / 1.2 = 2 exactly
    ],
)
def test_coarsening_divides_exactly(theta: str, expected: tuple[int, int]) -> None:
    assert epoch_steps(program(epoch("a", 100), epoch("b", 12)), Fraction(theta)) == expected


def test_stage_thetas_never_miss_a_whole_quotient() -> None:
    # 900 steps divided by theta = 9 (S - k) / S is whole for every stage.
    spec = program(epoch("a", 4500))
    for stage in range(7):
        theta = Fraction(9 * (7 - stage), 7)
        assert epoch_steps(spec, theta) == (int(900 / theta),)
        assert 900 / theta >= epoch_steps(spec, theta)[0] > 900 / theta - 1


def test_jitter_is_in_base_steps_and_added_before_the_cut() -> None:
    spec = program(epoch("a", 100, jitter=50), epoch("b", 50), trials=2)
    assert epoch_steps(spec, ONE, (3, 0, -10, 0)) == (23, 10, 10, 10)
    # (20 + 3) / 4 = 5.75, 10 / 4 = 2.5, (20 - 1) / 4 = 4.75
    assert epoch_steps(spec, Fraction(4), (3, 0, -1, 0)) == (5, 2, 4, 2)
    # 12 ms and one step more is 3.4 steps, not 2 + 1 cut apart: at theta 1.7 exactly 2.
    assert epoch_steps(program(epoch("a", 12)), Fraction("1.7"), (1,)) == (2,)


def test_jitter_never_makes_an_epoch_empty() -> None:
    assert epoch_steps(program(epoch("a", 10)), ONE, (-5,)) == (1,)


def test_drawn_durations() -> None:
    spec = program(epoch("a", 50), epoch("wait", None), trials=2)
    # 0.145 s / 5 ms is 29, though not in floats; 0.0123 s is 2.46 steps.
    assert 0.145 / 0.005 < 29
    assert epoch_steps(spec, ONE, None, [[None, 0.145], [None, 0.0123]]) == (10, 29, 10, 2)
    assert epoch_steps(spec, Fraction(4), None, [[None, 0.3], [None, 0.0123]]) == (2, 15, 2, 1)
    assert epoch_steps(spec, ONE, (0, 5, 0, -5), [[None, 0.3], [None, 0.3]]) == (10, 65, 10, 55)


@pytest.mark.parametrize("theta", ["1", "3", "2.5", "7/3"])
def test_drawn_durations_that_add_to_a_time_have_its_steps(theta: str) -> None:
    """x, 100 ms, z and 1 s - x - z: the trial has the steps of 1.1 s, and each epoch ends at its time."""
    spec = program(epoch("x", None), epoch("a", 100), epoch("z", None), epoch("rest", None), trials=3)
    factor, step = Fraction(theta), 0.005 * float(Fraction(theta))
    for number in range(200):
        x, z = 0.2 + 0.3 * ((number * 0.618) % 1), 0.05 + 0.25 * ((number * 0.377) % 1)
        drawn = [[x, None, z, 1 - x - z]] * 3
        steps = epoch_steps(spec, factor, None, drawn)
        assert steps[:4] == steps[4:8] == steps[8:]
        assert sum(steps[:4]) == 220 // factor
        for place, time in enumerate((x, x + 0.1, x + 0.1 + z), 1):
            assert 0 <= time / step - sum(steps[:place]) + 1e-5 < 1 + 2e-5


def test_jitter_moves_the_ends_of_drawn_durations() -> None:
    spec = program(epoch("x", None), epoch("a", 50), epoch("rest", None))
    # 33.4 + 2, 10 - 1 and 66.6 steps: the ends are at 35.4, 44.4 and 111.
    assert epoch_steps(spec, ONE, (2, -1, 0), [[0.167, None, 0.333]]) == (35, 9, 67)
    # 4.8 steps less 6 are none, but an epoch has at least one step, and all others keep their own.
    assert epoch_steps(spec, ONE, (-6, 0, 0), [[0.024, None, 0.026]]) == (1, 10, 5)


def test_no_epoch_is_shorter_than_its_own_duration_rounded_down() -> None:
    spec = program(epoch("x", None), epoch("a", 52), epoch("z", None))
    assert epoch_steps(spec, ONE, None, [[0.001, None, 0.049]]) == (1, 10, 9)
    assert epoch_steps(spec, ONE, None, [[0.003, None, 0.049]]) == (1, 10, 9)
    assert epoch_steps(spec, ONE, None, [[0.0135, None, 0.0495]]) == (2, 11, 10)
    # Even after an epoch that is shorter than a step: 0.2, 10.6 and 14.6 steps from the start.
    assert epoch_steps(spec, ONE, None, [[0.001, None, 0.020]]) == (1, 10, 4)
    assert epoch_steps(
        program(*(epoch(name, None) for name in "xyz")), ONE, None, [[0.001, 0.001, 0.01]]
    ) == (1, 1, 2)


def test_drawn_durations_of_zero_vanish_and_short_ones_do_not() -> None:
    spec = program(epoch("wait", None), trials=4)
    drawn = [[0.0], [-0.2], [1e-9], [0.004]]
    assert epoch_steps(spec, ONE, None, drawn) == (0, 0, 1, 1)
    # Nor does jitter bring one back.
    assert epoch_steps(spec, ONE, (4, 4, 4, 4), drawn) == (0, 0, 4, 4)


def test_a_drawn_duration_that_is_not_given() -> None:
    with pytest.raises(ValueError, match="epoch 'wait' needs a drawn duration"):
        epoch_steps(program(epoch("wait", None)), ONE)


def test_mean_steps() -> None:
    # Burn-in 100 ms = 20, fixed 50 ms = 10, drawn between 0 and 0.4 s: 0.2 s = 40, twice.
    spec = program(epoch("a", 50, jitter=20), epoch("wait", None), trials=2, burn_in=100)
    assert mean_epoch_steps(spec) == (10, 40, 10, 40)
    assert mean_steps(spec) == 20 + 2 * 50
    assert mean_steps(spec, Fraction(3)) == 6 + 2 * (3 + 13)


# --- segments ----------------------------------------------------------------------------------------


def test_segments_follow_each_other_from_the_burn_in_on() -> None:
    spec = program(epoch("context", 20, gradient=False), epoch("go", 50, grace=15), trials=2, burn_in=30)
    table = lay_out(spec, (4, 10, 5, 8))
    assert table.segments == (
        Segment(-1, -1, 0, 6, 0, False),
        Segment(0, 0, 6, 4, 0, False),
        Segment(1, 0, 10, 10, 3, True),
        Segment(0, 1, 20, 5, 0, False),
        Segment(1, 1, 25, 8, 3, True),
    )
    assert table.steps == 33


@pytest.mark.parametrize(
    ("time", "theta", "steps"),
    [(0, 1, 0), (1, 1, 1), (12, 1, 2), (200, 1, 40), (200, 3, 13), (12, 10, 1), (0, 10, 0)],
)
def test_grace_and_burn_in_are_cut_alike(time: int, theta: int, steps: int) -> None:
    table = lay_out(program(epoch("a", 500, grace=time), burn_in=time), theta=theta)
    assert table.segments[-1].grace == steps
    assert len(table.segments) == (2 if steps else 1)
    assert table.segments[0].steps == (steps or 500 // (5 * theta))


def test_an_epoch_of_no_steps_keeps_its_place() -> None:
    table = lay_out(program(epoch("a", 50), epoch("wait", None), epoch("b", 50)), (10, 0, 10))
    assert [(s.start, s.steps) for s in table.segments] == [(0, 10), (10, 0), (10, 10)]


def test_a_state_belongs_to_the_segment_whose_step_made_it() -> None:
    table = lay_out(program(epoch("a", 15, gradient=False), epoch("b", 10)))
    # Steps 0, 1, 2 make states 1, 2, 3; state 0 goes with the first segment.
    assert table.gradient == (False, False, False, False, True, True)
    assert lay_out(program(epoch("a", 10), epoch("b", 5, gradient=False))).gradient == (
        True,
        True,
        True,
        False,
    )


# --- periodic skips ----------------------------------------------------------------------------------


def test_periodic_skips_restart_at_every_epoch_and_in_the_burn_in() -> None:
    # Segments: burn-in 0-9, a 9-19, b 19-27, a 27-37, b 37-45; period 4.
    spec = program(epoch("a", 50), epoch("b", 40), trials=2, burn_in=45, skips=(every(20),))
    assert pairs(lay_out(spec)) == [
        (0, 4), (4, 8),
        (9, 13), (13, 17),
        (19, 23), (23, 27),  # the end of an epoch is landed on
        (27, 31), (31, 35),
        (37, 41), (41, 45),
    ]  # fmt: skip


def test_periodic_skips_restart_at_every_trial() -> None:
    spec = program(epoch("a", 50), epoch("b", 40), trials=2, burn_in=45, skips=(every(40, "trial"),))
    # Burn-in 0-9, trials 9-27 and 27-45, period 8.
    assert pairs(lay_out(spec)) == [(0, 8), (9, 17), (17, 25), (27, 35), (35, 43)]


def test_periodic_skips_over_the_sequence_begin_with_the_burn_in() -> None:
    spec = program(epoch("a", 50), epoch("b", 40), trials=2, burn_in=45, skips=(every(75, "sequence"),))
    assert pairs(lay_out(spec)) == [(0, 15), (15, 30), (30, 45)]


def test_scopes_follow_the_jittered_and_drawn_durations() -> None:
    spec = program(epoch("a", 50), epoch("wait", None), trials=2, skips=(every(20),))
    assert pairs(lay_out(spec, (9, 0, 3, 5))) == [(0, 4), (4, 8), (12, 16)]


@pytest.mark.parametrize(("period", "theta"), [(5, 1), (0, 1), (9, 1), (20, 4), (20, "2.5"), (20, 10)])
def test_a_period_of_one_step_is_absent(period: int, theta: float | str) -> None:
    assert lay_out(program(epoch("a", 100), skips=(every(period),)), theta=theta).landings == ()


def test_periods_under_coarsening() -> None:
    # dt theta = 8 ms: 100 ms is 12 steps, 20 ms is 2 (2.5), 12 ms of grace is 1 (1.5).
    table = lay_out(program(epoch("a", 100, grace=12), skips=(every(20),)), theta="1.6")
    assert table.segments == (Segment(0, 0, 0, 12, 1, True),)
    assert pairs(table) == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10), (10, 12)]


def test_beta_one_is_absent_and_keeps_the_numbers_of_the_others() -> None:
    spec = program(epoch("a", 50), skips=(every(20), every(25)))
    table = timetable(spec, ONE, [1.0, 0.5], (10,))
    assert [(landing.edge, landing.state) for landing in table.landings] == [(1, 5), (1, 10)]
    assert timetable(spec, ONE, [1.0, 1.0], (10,)).landings == ()


def test_dasc_departs_from_its_source() -> None:
    table = lay_out(program(epoch("a", 60), skips=(every(20, kind="dasc"),)))
    assert table.landings == (
        Landing(4, 0, 0, 0),
        Landing(8, 4, 4, 0),
        Landing(12, 8, 8, 0),
    )


def test_dasc_arriving_departs_only_first_in_each_scope() -> None:
    spec = program(epoch("a", 60), epoch("b", 40), skips=(every(20, kind="dasc", increment="arriving"),))
    assert [(x.state, x.source, x.increment_step) for x in lay_out(spec).landings] == [
        (4, 0, 0), (8, 4, 3), (12, 8, 7),
        (16, 12, 12), (20, 16, 15),
    ]  # fmt: skip
    whole = replace(spec, skips=(every(20, "sequence", "dasc", "arriving"),))
    assert [x.increment_step for x in lay_out(whole).landings] == [0, 3, 7, 11, 15]


def test_sctt_takes_no_increment() -> None:
    table = lay_out(program(epoch("a", 60), skips=(every(20, increment="arriving"),)))
    assert [x.increment_step for x in table.landings] == [None, None, None]


# --- point to point skips ----------------------------------------------------------------------------


def test_point_skips_join_events_in_every_trial() -> None:
    # Burn-in 0-2, trial 0: a 2-12, b 12-20; trial 1: a 20-30, b 30-38.
    def one(source: str, target: str) -> list[tuple[int, int]]:
        skip = between(event(source), event(target))
        return pairs(lay_out(program(epoch("a", 50), epoch("b", 40), trials=2, burn_in=10, skips=(skip,))))

    assert one("trial.start", "trial.end") == [(2, 20), (20, 38)]
    assert one("a.start", "b.start") == [(2, 12), (20, 30)]
    assert one("a.end", "b.end") == [(12, 20), (30, 38)]
    assert one("a.start", "trial.end") == [(2, 20), (20, 38)]


def test_offsets_are_cut_towards_zero() -> None:
    spec = program(
        epoch("a", 50), epoch("b", 40), skips=(between(event("a.start", 12), event("b.end", -12)),)
    )
    assert pairs(lay_out(spec)) == [(2, 16)]
    # At theta 3: a has 3 steps, b 2; 12 ms is 0 steps.
    assert pairs(lay_out(spec, theta=3)) == [(0, 5)]
    reach = program(
        epoch("a", 50), epoch("b", 40), skips=(between(event("a.end", -20), event("b.start", 20)),)
    )
    assert pairs(lay_out(reach)) == [(6, 14)]


def test_point_skips_are_clamped_to_the_sequence() -> None:
    skip = between(event("trial.start", -30), event("trial.end", 30))
    # Trials 2-12 and 12-22: -4 becomes 0, 28 becomes 22; what reaches into the other trial stays.
    assert pairs(lay_out(program(epoch("a", 50), trials=2, burn_in=10, skips=(skip,)))) == [(0, 18), (6, 22)]


def test_point_skips_of_one_step_or_less_are_absent() -> None:
    spec = program(epoch("wait", None), trials=4, skips=(between(event("wait.start"), event("wait.end")),))
    assert pairs(lay_out(spec, (0, 1, 2, 3))) == [(1, 3), (3, 6)]
    backwards = program(epoch("a", 50), skips=(between(event("a.end"), event("a.start")),))
    assert lay_out(backwards).landings == ()


def test_point_skips_always_depart() -> None:
    skip = between(event("a.start"), event("a.end"), "dasc", "arriving")
    table = lay_out(program(epoch("a", 50), trials=2, skips=(skip,)))
    assert [(x.state, x.source, x.increment_step) for x in table.landings] == [(10, 0, 0), (20, 10, 10)]


# --- order and gradient ------------------------------------------------------------------------------


def test_landings_on_one_state_shortest_first_then_as_written() -> None:
    whole = between(event("trial.start"), event("trial.end"))
    late = between(event("b.start"), event("b.end"), "dasc")
    spec = program(epoch("a", 50), epoch("b", 40), skips=(whole, every(40), late, every(20)))
    assert [(x.state, x.length, x.edge) for x in lay_out(spec).landings] == [
        (4, 4, 3),
        (8, 4, 3), (8, 8, 1),
        (14, 4, 3),
        (18, 4, 3), (18, 8, 1), (18, 8, 2), (18, 18, 0),
    ]  # fmt: skip


def test_a_state_carries_gradient_if_the_step_that_made_it_does() -> None:
    spec = program(
        epoch("context", 20, gradient=False),
        epoch("a", 10),
        epoch("gap", 15, gradient=False),
        epoch("b", 5),
    )
    # context makes states 1 to 4, a 5 and 6, gap 7 to 9, b 10.
    assert lay_out(spec).gradient == (*[False] * 5, True, True, False, False, False, True)


def test_the_start_of_the_sequence_takes_after_its_first_epoch() -> None:
    assert lay_out(program(epoch("a", 10))).gradient == (True, True, True)
    assert lay_out(program(epoch("a", 5), burn_in=10)).gradient == (False, False, False, True)


# --- gradient paths ----------------------------------------------------------------------------------


def hops(spec: Program, beta: float = 0.5, theta: float | str = 1) -> int | None:
    return gradient_hops(spec, Fraction(theta), [beta] * len(spec.skips))


def test_without_skips_every_step_is_a_hop() -> None:
    assert hops(program(epoch("a", 100), epoch("b", 50))) == 30
    assert hops(program(epoch("a", 100), epoch("b", 50)), theta=10) == 3
    assert hops(program(epoch("a", 100), skips=(every(20),)), beta=1.0) == 20


def test_only_from_the_first_to_the_last_epoch_with_gradient() -> None:
    spec = program(
        epoch("c", 500, gradient=False), epoch("a", 100), epoch("z", 50, gradient=False), burn_in=45
    )
    assert hops(spec) == 20


def test_hops_over_periodic_skips() -> None:
    # a: 23 steps = 5 landings of 4 from the start, and 3 steps behind; b: 8 steps = 2 landings.
    spec = program(epoch("a", 115), epoch("b", 40), skips=(every(20, kind="dasc"),))
    assert hops(spec) == (5 + 3) + 2


def test_the_source_in_an_epoch_without_gradient_carries_none() -> None:
    # The context ends at 8; the landing on 12 from 8 carries no gradient, so 4 steps; 16 and 20 do.
    spec = program(epoch("context", 40, gradient=False), epoch("a", 60), skips=(every(20),))
    assert hops(spec) == 2 + 4


def test_the_increment_of_such_a_skip_carries_that_of_its_step() -> None:
    # State 8 is cut off, but the increment is made by step 8, the first of `a`.
    spec = program(epoch("context", 40, gradient=False), epoch("a", 60), skips=(every(20, kind="dasc"),))
    assert hops(spec) == 3
    # Step 0 has no gradient: there is no path but the 12 steps.
    departs_before = between(event("context.start"), event("a.end"), "dasc")
    assert hops(replace(spec, skips=(departs_before,))) == 12


def test_an_arriving_increment_leads_to_the_state_before_the_source() -> None:
    # context: states 1 to 4; a: 5 to 12. State 12 is made of state 8 and the increment of step 7, which
    # starts at state 7: one hop, and three steps to state 4.
    arriving = every(20, "trial", "dasc", "arriving")
    spec = program(epoch("context", 20, gradient=False), epoch("a", 40), skips=(arriving,))
    assert [(x.source, x.increment_step) for x in lay_out(spec).landings] == [(0, 0), (4, 3), (8, 7)]
    assert hops(spec) == 1 + 3


def test_hops_take_the_shortest_mix() -> None:
    # A skip over states 1 to 29 (1 hop and 2 steps) beats 7 landings of 4 and 2 steps.
    skip = between(event("a.start", 5), event("b.end", -5))
    assert hops(program(epoch("a", 75), epoch("b", 75), skips=(every(20), skip))) == 3


def test_trial_long_skips_of_rule_reversal() -> None:
    # Burn-in 200, five trials of 400.  The first skip starts in a detached state: its trial is gone
    # through in steps; the four others are one hop each.
    assert hops(rule_reversal()) == 4 + 400
    regular = replace(rule_reversal(), skips=(*rule_reversal().skips, every(200)))
    # Period 40 in four epochs of 100: 2 landings and 20 steps; the first landing of all is detached.
    assert hops(regular) == 4 + 4 * 22 + 39


def test_a_gap_without_gradient_cuts_the_path_unless_a_skip_bridges_it() -> None:
    gap = (epoch("a", 50), epoch("gap", 50, gradient=False), epoch("b", 50))
    assert hops(program(*gap)) is None
    bridge = between(event("a.end"), event("b.start", 10))
    assert hops(program(*gap, skips=(bridge,))) == 10 + 1 + 8
    assert hops(program(epoch("a", 50, gradient=False))) is None


# --- cost --------------------------------------------------------------------------------------------


def rule_reversal() -> Program:
    names = ("sample", "respond", "feedback", "wait")
    epochs = [epoch(name, 500, jitter=100, grace=100 if name == "respond" else 0) for name in names]
    skips = (between(event("trial.start"), event("trial.end")),)
    return program(*epochs, trials=5, burn_in=1000, skips=skips)


def test_laying_out_a_sequence_takes_less_than_a_call_for_each_step() -> None:
    """Its cost is that of its epochs and landings: 569 function calls for 2200 steps."""
    spec = replace(rule_reversal(), skips=(*rule_reversal().skips, every(200)))
    steps = epoch_steps(spec, ONE)
    assert len(timetable(spec, ONE, [0.5, 0.5], steps).landings) == 5 + 5 + 20 * 2
    schedule._lay_out.cache_clear()
    calls_of(lambda: timetable(spec, ONE, [0.5, 0.5], steps), limit=1000)


def test_equal_sequences_share_a_timetable() -> None:
    spec = program(epoch("a", 50), skips=(every(20),))
    assert lay_out(spec, (9,)) is lay_out(spec, (9,))
    assert lay_out(spec, (9,)) is not lay_out(spec, (8,))
    other = replace(spec, timeline=replace(spec.timeline, burn_in=ms(10)))
    assert lay_out(other, (9,)) != lay_out(spec, (9,))
