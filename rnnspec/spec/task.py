"""The `task` section: what a trial is, epoch by epoch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, Tag

from rnnspec.spec.choices import LIST_TAG, MAPPING_TAG, NONE_OR, NONE_TAG, REST_TAG, SHAPE, TEXT_TAG
from rnnspec.spec.fields import NO_TIME, Model, Name, NoneWord, TimeValue
from rnnspec.spec.texts import Duration, Expression, ExpressionOrNone

MAX_TRIALS = 10_000
MAX_EPOCHS = 256
MAX_VARIABLES = 512

Channels = dict[Name, ExpressionOrNone]
ChannelsOrNone = Annotated[Annotated[NoneWord, Tag(NONE_TAG)] | Annotated[Channels, Tag(REST_TAG)], NONE_OR]

PerTrial = Annotated[tuple[Expression, ...], Strict(False), Field(min_length=1)]


class Balanced(Model):
    """Patterns of one value per trial, dealt evenly over the sequences of a batch."""

    balanced: Annotated[tuple[PerTrial, ...], Strict(False)] = Field(
        min_length=1, description="A list of patterns; each is a list of one value per trial."
    )


SequenceValue = Annotated[
    Annotated[Expression, Tag(TEXT_TAG)]
    | Annotated[PerTrial, Tag(LIST_TAG)]
    | Annotated[Balanced, Tag(MAPPING_TAG)],
    SHAPE,
]


class Epoch(Model):
    """A part of a trial."""

    duration: Duration = Field(
        description="A time such as '500 ms', or an expression over draws in seconds: '300 ms + wait'."
    )
    jitter: TimeValue = Field(
        default=NO_TIME,
        description="Training draws the duration uniformly within +- this time, once per batch.",
    )
    grace: TimeValue = Field(default=NO_TIME, description="Unscored time at the start of the epoch.")
    gradient: bool = Field(
        default=True, description="false: simulated without gradient, and left out of loss and penalties."
    )
    phase: Name | None = Field(
        default=None, description="Epochs of one phase are averaged together. Absent: the task's."
    )
    input: ChannelsOrNone = Field(
        default={}, description="Expression per input channel; 'none' stops what the task says."
    )
    target: ChannelsOrNone = Field(
        default={}, description="Expression per output channel; 'none' stops what the task says."
    )
    weight: Expression | None = Field(
        default=None, description="Factor on the loss of each time point. Absent: 1."
    )
    correct: ExpressionOrNone | None = Field(
        default=None, description="Truth value per time point; 'none': not scored. Absent: the task's."
    )
    read: dict[Name, Expression] = Field(
        max_length=MAX_VARIABLES,
        default={},
        description="Values taken from the outputs at the last step, by name.",
    )


class Task(Model):
    """What the network is trained to do."""

    trials: int = Field(default=1, ge=1, le=MAX_TRIALS, description="Consecutive trials of a sequence.")
    burn_in: TimeValue = Field(
        default=NO_TIME, description="Undriven time before the first trial, without gradient."
    )
    sequence: dict[Name, SequenceValue] = Field(
        max_length=MAX_VARIABLES,
        default={},
        description="Values drawn once per sequence, by name; a list holds one value per trial.",
    )
    draw: dict[Name, Expression] = Field(
        max_length=MAX_VARIABLES, default={}, description="Values drawn once per trial, by name."
    )
    input: Channels = Field(default={}, description="Input in every epoch that does not say otherwise.")
    target: Channels = Field(default={}, description="Target in every epoch that does not say otherwise.")
    correct: ExpressionOrNone | None = Field(
        default=None, description="Truth value per time point, in every epoch that does not say otherwise."
    )
    phase: Name = Field(default="trial", description="Phase of every epoch that does not say otherwise.")
    epochs: dict[Name, Epoch] = Field(
        min_length=1, max_length=MAX_EPOCHS, description="The epochs of a trial, in order."
    )
    success: Expression | None = Field(
        default=None,
        description="Truth value per trial over draws and reads, the score instead of 'correct'.",
    )
    scored: Expression | None = Field(
        default=None, description="Truth value per trial: whether it counts in the score. Absent: all do."
    )
