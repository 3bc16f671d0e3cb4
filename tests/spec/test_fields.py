"""The leaf types: what they accept, and word for word what they say of the rest."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic_core import PydanticCustomError
from spec.documents import complaint

from rnnspec.spec.fields import read_name, read_over, read_time
from rnnspec.spec.texts import (
    read_distribution,
    read_duration,
    read_event,
    read_expression,
    read_expression_or_none,
)
from rnnspec.spec.values import Event, ExpressionText, Over
from rnnspec.syntax.expression import Binary, Call, Name, Number
from rnnspec.syntax.quantity import Time

TIME = "expected a time: a number and a unit"
UNITS = "expected one of: us, ms, s, min, step, steps"


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("5 ms", Fraction(5), "ms"),
        ("5ms", Fraction(5), "ms"),
        (" 0.1  s ", Fraction(1, 10), "s"),
        ("1e-3 s", Fraction(1, 1000), "s"),
        ("40 steps", Fraction(40), "steps"),
        ("0 min", Fraction(0), "min"),
    ],
)
def test_times_are_exact(text: str, amount: Fraction, unit: str) -> None:
    assert read_time(text) == Time(amount, unit)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("5", f"5: RS014 5 has no unit; {TIME}; write '5 ms'"),
        ("0.5", f"0.5: RS014 0.5 has no unit; {TIME}; write '0.5 s'"),
        ("0", f"0: RS014 0 has no unit; {TIME}; write '0 ms'"),
        ("'5'", f"'5': RS014 5 has no unit; {TIME}; write '5 ms'"),
        ("5 sec", f"5 sec: RS014 'sec' is not a unit of time; {UNITS}; did you mean 's'?"),
        ("5 µs", f"5 µs: RS014 'µs' is not a unit of time; {UNITS}; did you mean 'us'?"),
        ("5 mss", f"5 mss: RS014 'mss' is not a unit of time; {UNITS}; did you mean 'ms'?"),
        ("5 days", f"5 days: RS014 'days' is not a unit of time; {UNITS}"),
        ("50 %", f"50 %: RS014 '%' is not a unit of time; {UNITS}"),
        ("-5 ms", "-5 ms: RS013 '-5 ms' is negative; expected a time of 0 or longer"),
        ("long", "long: RS012 'grace' is the string 'long'; expected a time such as '5 ms'"),
        ("true", "true: RS012 'grace' is true; expected a time such as '5 ms'"),
        ("[5 ms]", "[5 ms]: RS012 'grace' is a list; expected a time such as '5 ms'"),
    ],
)
def test_what_is_no_time(value: str, said: str) -> None:
    assert complaint(f"task: {{epochs: {{a: {{grace: {value}}}}}}}") == said


def test_some_times_are_longer_than_nothing() -> None:
    said = "0 ms: RS013 '0 ms' is zero; expected a time longer than 0"
    assert complaint("network: {dt: 0 ms}") == said


def test_a_period_proposes_steps() -> None:
    said = f"40: RS014 40 has no unit; {TIME}; write '40 steps'"
    assert complaint("skips: {edges: {a: {every: 40}}}") == said


@pytest.mark.parametrize("text", ["a", "w_rec", "Stimulus2", "x" * 64])
def test_names(text: str) -> None:
    assert read_name(text) == text


LETTERS = "expected letters, digits and underscores, starting with a letter"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("2nd", f"2nd: RS020 '2nd' is not a valid name; {LETTERS}"),
        ("a-b", f"a-b: RS020 'a-b' is not a valid name; {LETTERS}; write 'a_b'"),
        ("_a", f"_a: RS020 '_a' is not a valid name; {LETTERS}; write 'a'"),
        ("été", f"été: RS020 'été' is not a valid name; {LETTERS}; write 't'"),
        ("''", f"'': RS020 '' is not a valid name; {LETTERS}"),
        ("not", "not: RS020 'not' is a reserved word of the language; expected another name"),
        ("x" * 65, f"{'x' * 65}: RS020 this name has 65 characters; expected at most 64"),
    ],
)
def test_what_is_no_name(key: str, said: str) -> None:
    assert complaint(f"task: {{draw: {{{key}: 1}}}}") == said


def test_a_name_as_a_value_is_checked_too() -> None:
    said = f"a b: RS020 'a b' is not a valid name; {LETTERS}; write 'a_b'"
    assert complaint("network: {inputs: {x: {to: a b}}}") == said
    assert complaint("network: {inputs: {x: {to: [c, a b]}}}") == said


@pytest.mark.parametrize(
    ("text", "over", "iterations"),
    [
        ("50 %", Over(Fraction(50), "%"), 500),
        ("12.5%", Over(Fraction(25, 2), "%"), 125),
        ("20000 iterations", Over(Fraction(20000), "iterations"), 20000),
        ("1 iteration", Over(Fraction(1), "iterations"), 1),
    ],
)
def test_how_long_an_annealing_takes(text: str, over: Over, iterations: int) -> None:
    assert read_over(text) == over
    assert over.iterations(1000) == iterations


WANTED = "expected a share of the iterations ('50 %') or a number of them ('20000 iterations')"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("50", f"50: RS014 50 has no unit; {WANTED}; write '50 %'"),
        ("0.5", f"0.5: RS014 0.5 has no unit; {WANTED}; write '50 %'"),
        ("20000", f"20000: RS014 20000 has no unit; {WANTED}; write '20000 iterations'"),
        ("1 epoch", f"1 epoch: RS014 'epoch' is not a unit here; {WANTED}"),
        ("5 iter", f"5 iter: RS014 'iter' is not a unit here; {WANTED}; did you mean 'iterations'?"),
        ("5 ms", f"5 ms: RS014 'ms' is not a unit here; {WANTED}"),
        ("0 %", f"0 %: RS013 '0 %' is not above 0; {WANTED}"),
        ("half", f"half: RS012 'over' is the string 'half'; {WANTED}"),
    ],
)
def test_how_long_no_annealing_takes(value: str, said: str) -> None:
    assert complaint(f"coarsening: {{over: {value}}}") == said


@pytest.mark.parametrize(
    ("value", "number", "text"), [(3, 3, "3"), (-0.5, -0.5, "-0.5"), (True, 1, "true"), (False, 0, "false")]
)
def test_numbers_and_truth_values_are_expressions(value: object, number: float, text: str) -> None:
    assert read_expression(value) == ExpressionText(text, Number(number, 0, len(text)))


def test_expressions_keep_their_text_and_tree() -> None:
    found = read_expression("a + 1")
    assert found == ExpressionText("a + 1", Binary("+", Name("a", 0, 1), Number(1, 4, 5), 0, 5))


def test_none_stays_a_word_where_it_means_something() -> None:
    assert read_expression_or_none("none") == "none"
    assert read_expression_or_none("none + 1") == read_expression("none + 1")


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_caret_points_into_the_expression(quote: str) -> None:
    found = complaint(f"task: {{draw: {{a: {quote}b && c{quote}}}}}")
    assert found.startswith("&&: RS015 ")


def test_the_caret_takes_all_of_a_folded_expression() -> None:
    found = complaint("task:\n  draw:\n    a: b +\n      c && d\n")
    assert found.startswith("b +: RS015 ")


def test_what_is_no_expression() -> None:
    help = "pick(k, a, b) chooses a value; onehot(k) and ring(angle) make vectors"
    assert complaint("task: {draw: {a: [1]}}") == f"[1]: RS012 'a' is a list; expected an expression; {help}"


def test_durations_are_times_or_expressions() -> None:
    assert read_duration("500 ms") == Time(Fraction(500), "ms")
    assert read_duration("wait") == read_expression("wait")
    assert read_duration("300 ms + wait") == read_expression("300 ms + wait")
    said = f"500: RS014 500 has no unit; {TIME}; write '500 ms'"
    assert complaint("task: {epochs: {a: {duration: 500}}}") == said


def test_distributions_are_calls() -> None:
    found = read_distribution("spectral(normal(0, 1), 0.9)")
    assert found.name == "spectral"
    assert isinstance(found.arguments[0], Call)
    assert found.arguments[0].function == "normal"
    zeros = read_distribution("zeros")
    assert (zeros.name, zeros.arguments, zeros.text) == ("zeros", (), "zeros")


CALL = "expected a distribution such as 'normal(0, 1)'"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "0",
            f"0: RS012 'w_in' is the number 0; {CALL}; write 'zeros'",
        ),
        ("1", f"1: RS012 'w_in' is the number 1; {CALL}"),
        (
            "1 + 1",
            f"1 + 1: RS104 '1 + 1' is not a distribution; {CALL}",
        ),
        ("{}", f"{{}}: RS012 'w_in' is an empty mapping; {CALL}"),
    ],
)
def test_what_is_no_distribution(value: str, said: str) -> None:
    assert complaint(f"network: {{weights: {{w_in: {value}}}}}") == said


@pytest.mark.parametrize(
    ("text", "name", "edge", "offset"),
    [
        ("stimulus.end", "stimulus", "end", None),
        ("trial.start + 100 ms", "trial", "start", Time(Fraction(100), "ms")),
        ("trial.end-2 steps", "trial", "end", Time(Fraction(-2), "steps")),
    ],
)
def test_events(text: str, name: str, edge: str, offset: Time | None) -> None:
    found = read_event(text)
    assert found == Event(name, "start" if edge == "start" else "end", offset, text)


EVENT = "expected an event: EPOCH.start, EPOCH.end, trial.start or trial.end"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("trial", f"trial: RS013 'trial' is not an event; {EVENT}"),
        ("trial.end.x", f"trial.end.x: RS013 'trial.end.x' is not an event; {EVENT}"),
        (
            "trial.ende",
            "ende: RS013 an epoch has no 'ende'; expected start or end; did you mean 'end'?",
        ),
        ("trial.end + soon", "soon: RS013 'soon' is not a time; expected a time such as '100 ms'"),
        ("trial.end + -5 ms", "-5 ms: RS013 '-5 ms' is not a time; expected a time such as '100 ms'"),
        ("trial.end + 5", f"5: RS014 5 has no unit; {TIME}; write '5 ms'"),
        ("trial.end + 5 sec", f"5 sec: RS014 'sec' is not a unit of time; {UNITS}; did you mean 's'?"),
        ("3", f"3: RS012 'to' is the number 3; {EVENT}"),
    ],
)
def test_what_is_no_event(value: str, said: str) -> None:
    assert complaint(f"skips: {{edges: {{a: {{to: {value}}}}}}}") == said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("a - b", "a - b: RS020 'a - b' is not a connection; expected two names and an arrow, such as 'exc "
                  "-> inh'"),
        ("a -> b -> c", "a -> b -> c: RS020 'a -> b -> c' is not a connection; expected two names and an "
                        "arrow, such as 'exc -> inh'"),
        ("a -> 2", f"a -> 2: RS020 '2' is not a valid name; {LETTERS}"),
    ],
)  # fmt: skip
def test_what_is_no_connection(key: str, said: str) -> None:
    assert complaint(f"network: {{connections: {{{key}: none}}}}") == said


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**70, None, (), object()])
def test_odd_values_are_refused_without_a_traceback(value: object) -> None:
    for read in (read_time, read_over, read_expression, read_duration, read_distribution, read_event):
        with pytest.raises(PydanticCustomError):
            read(value)
