"""Whether a branch of where() or pick() is taken in a sampled trial."""

from __future__ import annotations

from rnnspec.check.places import Guards
from rnnspec.program.expression_nodes import Apply, Expression
from rnnspec.program.sampling import Trial, evaluate


def may_be_taken(guards: Guards, trial: Trial, before: Trial | None, time: float = 0.0) -> bool:
    """Return whether a part that is a branch of some choices may be taken in a trial.

    A choice that depends on outputs, or on a random call of its own, may fall on any of its branches.
    """
    return all(_may_choose(choice, number, trial, before, time) for choice, number in guards)


def _may_choose(choice: Expression, number: int, trial: Trial, before: Trial | None, time: float) -> bool:
    """Return whether a choice may take its argument with this number."""
    assert isinstance(choice, Apply)
    key, *branches = choice.arguments
    if choice.function == "where":
        return _may_be(number == 1, key, trial, before, time)
    index = evaluate(key, trial, before, time)
    # Any other index takes the last one.
    last = len(branches) - 1
    return index is None or (index if index in range(last) else last) == number - 1


def _may_be(wanted: bool, condition: Expression, trial: Trial, before: Trial | None, time: float) -> bool:
    """Return whether a condition may be true, or false, in a trial."""
    match condition:
        case Apply(function="not", arguments=(inner,)):
            return _may_be(not wanted, inner, trial, before, time)
        case Apply(function="and" | "or" as word, arguments=parts) if wanted == (word == "and"):
            # What is known of one part holds, even if another is unknown.
            return all(_may_be(wanted, part, trial, before, time) for part in parts)
    value = evaluate(condition, trial, before, time)
    return value is None or (value != 0) == wanted
