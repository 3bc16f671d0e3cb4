"""What `training.stop` may be about, and the messages about it."""

from __future__ import annotations

import pytest
from support import codes, problems, program

from rnnspec.program.printer import print_program

SUCCESS = "task: {success: answered == 1, epochs: {response: {read: {answered: fixation < 0.5}}}}"


def of(what: str) -> str:
    return f"training: {{stop: {{performance: 0.95, of: {what}}}}}"


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("respond", ("respond",)),
        ("[respond, hold]", ("respond", "hold")),
        ("every phase", ("hold", "respond")),
        ("'every phase'", ("hold", "respond")),
        ("success", ("success",)),
        ("[success, hold]", ("success", "hold")),
    ],
)
def test_what_a_stop_may_be_about(what: str, wanted: tuple[str, ...]) -> None:
    found = program(of(what), SUCCESS)
    assert found.training.stop is not None
    assert found.training.stop.of == wanted
    assert f"  stop at performance 0.95 of {', '.join(wanted)}, trim 0\n" in print_program(found)


def test_a_stop_that_says_nothing_is_about_whole_trials() -> None:
    found = program("training: {stop: {performance: 0.95}}")
    assert found.training.stop is not None
    assert found.training.stop.of is None
    assert "  stop at performance 0.95, trim 0\n" in print_program(found)
    assert (
        program(settings=("training.stop={performance: 0.9, of: every phase}",)).training.stop
        == program(of("every phase"), settings=("training.stop.performance=0.9",)).training.stop
    )


@pytest.mark.parametrize(
    ("what", "code", "message", "help"),
    [
        ("every fase", "RS013", "'of' is 'every fase'", "did you mean 'every phase'?"),
        (
            "[every phase]",
            "RS013",
            "'every phase' stands in a list",
            "write 'of: every phase', without a list",
        ),
        ("3", "RS012", "'of' is the number 3", ""),
        ("[]", "RS013", "'of' has no items", ""),
        ("[hold, 3x]", "RS020", "'3x' is not a valid name", ""),
        ("respnd", "RS406", "'respnd' is not a phase of this task", "did you mean 'respond'?"),
        ("every_phase", "RS406", "'every_phase' is not a phase of this task", "did you mean 'every phase'?"),
        (
            "[hold, response]",
            "RS406",
            "'response' is not a phase of this task",
            "the epoch 'response' belongs to the phase 'respond'",
        ),
        ("success", "RS401", "'stop' is about 'success', which the task does not define", ""),
    ],
)
def test_what_it_may_not_be_about(what: str, code: str, message: str, help: str) -> None:
    (found,) = problems(of(what))
    assert (found.code, found.message, found.help) == (code, message, help)
    assert found.span is not None
    assert found.span.line == 2


def test_success_is_offered_where_the_task_defines_it() -> None:
    assert problems(of("sucess"), SUCCESS)[0].help == "did you mean 'success'?"
    assert problems(of("sucess"))[0].expected == "one of: hold, respond, every phase"


def test_each_wrong_name_of_a_list_is_reported_where_it_stands() -> None:
    first, second = problems(of("[hald, respnd]"))
    assert first.span is not None
    assert second.span is not None
    assert (first.span.column, second.span.column) == (43, 49)


def test_a_phase_must_be_scored() -> None:
    unscored = "task: {epochs: {response: {correct: none}}}"
    (found,) = problems(of("respond"), unscored)
    assert (found.code, found.message) == (
        "RS401",
        "'stop' is about the phase 'respond', in which nothing is scored",
    )
    assert program(of("every phase"), unscored).training.stop.of == ("hold",)  # type: ignore[union-attr]


def test_every_phase_needs_one_that_is_scored() -> None:
    nothing = "task: {correct: null, epochs: {response: {correct: null}}}"
    (found,) = problems(of("every phase"), SUCCESS, nothing)
    assert (found.code, found.message) == ("RS401", "'stop' is about every phase, and no phase is scored")


@pytest.mark.parametrize(
    ("name", "meaning"), [("success", "the 'success' of the task"), ("every phase", "all phases")]
)
def test_a_phase_does_not_have_the_name_of_what_stop_can_be_about(name: str, meaning: str) -> None:
    for task in (f"epochs: {{response: {{phase: {name}}}}}", f"phase: {name}"):
        (found,) = problems(of(name), f"task: {{{task}}}")
        said = f"a phase cannot be called '{name}': in 'stop' and in evaluations, that is {meaning}"
        assert (found.code, found.message, found.expected) == ("RS020", said, "another name")


def test_a_mistake_in_an_epoch_is_not_blamed_on_the_stop() -> None:
    """Its phase is not known then."""
    assert codes(of("respond"), "task: {epochs: {response: {duration: x}}}") == ["RS201"]


# --- RS407 ------------------------------------------------------------------------------------------------


def loose(performance: float, hold: str = "2 s", *overlays: str) -> list[str]:
    """Hold this and 400 ms, respond 400 ms."""
    longer = f"task: {{epochs: {{fixation: {{duration: {hold}}}}}}}"
    return codes(longer, f"training: {{stop: {{performance: {performance}}}}}", *overlays)


def test_a_criterion_that_a_short_phase_hardly_counts_in() -> None:
    assert loose(0.95) == ["RS407"]
    (found,) = problems(
        "task: {epochs: {fixation: {duration: 2 s}}}", "training: {stop: {performance: 0.95}}"
    )
    # 400 ms of 2,800: 1 - 0.05 * 7.
    assert found.message == (
        "a performance of 0.95 can be reached while 'respond', 14 % of the scored time, is at 0.65"
    )


@pytest.mark.parametrize(
    ("performance", "hold", "warned"),
    [
        # 1 - (1 - p) / share is 0.78, 0.81; the shares of the response are 1/5 and 1/7.
        (0.955, "1200 ms", True),
        (0.963, "1200 ms", False),
        (0.99, "2 s", False),
        # 1:1.5 and 1:2.
        (0.85, "200 ms", False),
        (0.85, "400 ms", True),
    ],
)
def test_when_it_is_warned_of(performance: float, hold: str, warned: bool) -> None:
    assert (loose(performance, hold) == ["RS407"]) == warned


def test_where_it_cannot_be_meant() -> None:
    assert loose(0.95, "2 s", of("respond")) == []
    assert loose(0.95, "2 s", SUCCESS) == []
    assert loose(0.95, "2 s", "task: {epochs: {response: {correct: none}}}") == []
    assert loose(0.95, "2 s", "training: {stop: null}") == []


def test_drawn_durations_count_with_their_mean() -> None:
    drawn = 'task: {draw: {wait: "uniform(1.5 s, 2.5 s)"}}'
    assert loose(0.95, "wait", drawn) == ["RS407"]
