"""The `task` section: the epochs of a trial, and what varies between trials."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, Strict, Tag, model_validator

from rnnspec.spec.choices import LIST_TAG, MAPPING_TAG, NONE_OR, NONE_TAG, REST_TAG, SHAPE, TEXT_TAG
from rnnspec.spec.fields import (
    KEYS,
    NAME_PATTERN,
    NO_TIME,
    Model,
    Name,
    NoneWord,
    TimeValue,
    read_name,
    refuse,
    string_schema,
)
from rnnspec.spec.texts import Duration, Expression, ExpressionOrNone
from rnnspec.spec.training import EVERY_PHASE

MAX_TRIALS = 10_000
MAX_EPOCHS = 256
MAX_VARIABLES = 512
#: The most combinations of balanced patterns.  Kernels count them in 64 bits.
MAX_COMBINATIONS = 10**9

Channels = dict[Name, ExpressionOrNone]
ChannelsOrNone = Annotated[Annotated[NoneWord, Tag(NONE_TAG)] | Annotated[Channels, Tag(REST_TAG)], NONE_OR]

PerTrial = Annotated[tuple[Expression, ...], Strict(False), Field(min_length=1)]


class Balanced(Model):
    """Patterns of one value per trial, which occur equally often, crossed with those of other variables."""

    balanced: Annotated[tuple[PerTrial, ...], Strict(False)] = Field(
        min_length=1, description="A list of patterns; each is a list of one value per trial."
    )


SequenceValue = Annotated[
    Annotated[Expression, Tag(TEXT_TAG)]
    | Annotated[PerTrial, Tag(LIST_TAG)]
    | Annotated[Balanced, Tag(MAPPING_TAG)],
    SHAPE,
]


def _read_phase(text: str) -> str:
    if text in (EVERY_PHASE, "success"):
        meaning = "all phases" if text == EVERY_PHASE else "the 'success' of the task"
        raise refuse(
            "RS020",
            f"a phase cannot be called '{text}': in 'stop' and in evaluations, that is {meaning}",
            expected="another name",
        )
    return read_name(text)


PhaseName = Annotated[str, AfterValidator(_read_phase), string_schema(NAME_PATTERN, KEYS[NAME_PATTERN])]


class Epoch(Model):
    """A part of a trial."""

    duration: Duration = Field(
        description="A time such as '500 ms', or an expression in seconds such as '300 ms + wait'."
    )
    jitter: TimeValue = Field(
        default=NO_TIME,
        description="In training, the duration varies uniformly by up to +- this time, once per batch.",
    )
    grace: TimeValue = Field(
        default=NO_TIME, description="Time at the start of the epoch that is not scored."
    )
    gradient: bool = Field(
        default=True,
        description="false: simulate without gradient, and leave the epoch out of loss and penalties.",
    )
    phase: PhaseName | None = Field(
        default=None,
        description="Scores are averaged over the epochs of a phase. Default: the phase of the task.",
    )
    input: ChannelsOrNone = Field(
        default={}, description="Expression for each input channel. 'none': do not inherit from the task."
    )
    target: ChannelsOrNone = Field(
        default={}, description="Expression for each output channel. 'none': do not inherit from the task."
    )
    weight: Expression | None = Field(
        default=None, description="Weight of each time point in the loss. Default: 1."
    )
    correct: ExpressionOrNone | None = Field(
        default=None,
        description="Truth value at each time point. 'none': not scored. Default: that of the task.",
    )
    read: dict[Name, Expression] = Field(
        max_length=MAX_VARIABLES,
        default={},
        description="Values computed from the outputs at the last step, by name.",
    )


class Task(Model):
    """What the network is trained to do."""

    trials: int = Field(
        default=1, ge=1, le=MAX_TRIALS, description="Number of consecutive trials in a sequence."
    )
    burn_in: TimeValue = Field(
        default=NO_TIME, description="Time before the first trial, without input and without gradient."
    )
    sequence: dict[Name, SequenceValue] = Field(
        max_length=MAX_VARIABLES,
        default={},
        description="Variables drawn once per sequence, by name. A list has one value per trial.",
    )
    draw: dict[Name, Expression] = Field(
        max_length=MAX_VARIABLES, default={}, description="Variables drawn once per trial, by name."
    )
    input: Channels = Field(default={}, description="Input in all epochs that do not override it.")
    target: Channels = Field(default={}, description="Target in all epochs that do not override it.")
    correct: ExpressionOrNone | None = Field(
        default=None, description="Truth value at each time point, in all epochs that do not override it."
    )
    phase: PhaseName = Field(default="trial", description="Phase of all epochs that do not override it.")
    epochs: dict[Name, Epoch] = Field(
        min_length=1, max_length=MAX_EPOCHS, description="Epochs of a trial, in order."
    )
    success: Expression | None = Field(
        default=None,
        description="Truth value for each trial, from draws and reads. It replaces 'correct' as the score.",
    )
    scored: Expression | None = Field(
        default=None,
        description="Truth value for each trial: whether it counts in the score. Default: all trials.",
    )

    @model_validator(mode="after")
    def combinations_can_be_counted(self) -> Task:
        total = 1
        for name, value in self.sequence.items():
            total *= len(value.balanced) if isinstance(value, Balanced) else 1
            if total > MAX_COMBINATIONS:
                message = "the balanced variables up to this one have more combinations than can be dealt"
                expected = f"at most {MAX_COMBINATIONS:,} combinations"
                raise refuse("RS013", message, expected=expected, at=("sequence", name))
        return self
