"""The `training` section: ensemble, batches, optimiser, loss and stopping."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, Tag

from rnnspec.diagnostics import nearest, shorten
from rnnspec.spec.choices import by_kind, check_kind, word_or_mapping
from rnnspec.spec.fields import NONE, Model, Name, NoneWord, read_name, refuse, words

MAX_NETWORKS = 65_536
MAX_BATCH = 65_536
#: Well below LAST_ITERATION of `runtime/noise.py`, the last iteration that has random numbers.
MAX_ITERATIONS = 2**28


Decay = Annotated[float, Field(ge=0, lt=1)]
#: beta1 and beta2.
Betas = Annotated[tuple[Decay, ...], Strict(False), Field(min_length=2, max_length=2)]


class Adam(Model):
    """Adam (Kingma & Ba 2015)."""

    kind: Literal["adam"] = Field(default="adam", description="The optimiser.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate.")
    betas: Betas = Field(
        default=(0.9, 0.999), description="Decay of the running means of the gradient and of its square."
    )
    epsilon: float = Field(default=1e-7, gt=0, description="Added to the root of the mean square.")


class AdamW(Model):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = Field(description="The optimiser.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate.")
    betas: Betas = Field(
        default=(0.9, 0.999), description="Decay of the running means of the gradient and of its square."
    )
    epsilon: float = Field(default=1e-7, gt=0, description="Added to the root of the mean square.")
    weight_decay: float = Field(
        default=0.01, ge=0, description="Each update subtracts learning_rate * weight_decay * w from w."
    )


class SGD(Model):
    """Gradient descent."""

    kind: Literal["sgd"] = Field(description="The optimiser.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate.")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Momentum.")
    weight_decay: float = Field(default=0.0, ge=0, description="Adds weight_decay * w to the gradient.")


class RMSProp(Model):
    """Gradient descent, divided by the running root mean square of the gradient."""

    kind: Literal["rmsprop"] = Field(description="The optimiser.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Learning rate.")
    alpha: float = Field(
        default=0.99, ge=0, lt=1, description="Decay of the running mean square of the gradient."
    )
    epsilon: float = Field(default=1e-7, gt=0, description="Added to the root of the mean square.")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="Momentum.")


_Optimizer = Annotated[
    Annotated[Adam, Tag("<adam>")]
    | Annotated[AdamW, Tag("<adamw>")]
    | Annotated[SGD, Tag("<sgd>")]
    | Annotated[RMSProp, Tag("<rmsprop>")],
    by_kind(Adam, AdamW, SGD, RMSProp),
]
Optimizer = Annotated[_Optimizer, check_kind(Adam, AdamW, SGD, RMSProp)]


class Penalty(Model):
    """Coefficients of mean |x| (l1) and mean x^2 (l2), which are added to the loss."""

    rate_l1: float = Field(
        default=0.0, ge=0, description="Coefficient of the mean |rate|, over units and steps with gradient."
    )
    rate_l2: float = Field(
        default=0.0,
        ge=0,
        description="Coefficient of the mean squared rate, over units and steps with gradient.",
    )
    w_rec_l1: float = Field(default=0.0, ge=0, description="Coefficient of the mean |weight| of w_rec.")
    w_rec_l2: float = Field(default=0.0, ge=0, description="Coefficient of the mean squared weight of w_rec.")
    w_in_l1: float = Field(default=0.0, ge=0, description="Coefficient of the mean |weight| of w_in.")
    w_in_l2: float = Field(default=0.0, ge=0, description="Coefficient of the mean squared weight of w_in.")
    w_out_l1: float = Field(default=0.0, ge=0, description="Coefficient of the mean |weight| of w_out.")
    w_out_l2: float = Field(default=0.0, ge=0, description="Coefficient of the mean squared weight of w_out.")


#: The words in place of the phases that `stop` is about.
EVERY_PHASE = "every phase"
_WORDS = (EVERY_PHASE, "success")
_PHASES = f"the name of a phase, a list of names, '{EVERY_PHASE}' or 'success'"


def _listed(value: Any) -> Any:
    """Return a list; `every phase` is a word of its own, and stands in no list."""
    if isinstance(value, list) and EVERY_PHASE in value:
        raise refuse(
            "RS013",
            f"'{EVERY_PHASE}' stands in a list",
            expected=_PHASES,
            help=f"write 'of: {EVERY_PHASE}', without a list",
        )
    if not isinstance(value, str | list):
        raise refuse("RS012", expected=_PHASES)
    return [value] if isinstance(value, str) else value


def _read_phase(text: str) -> str:
    # Several words are no misspelt name, which could be a phase, but a misspelt 'every phase'.
    if " " in text and text != EVERY_PHASE:
        raise refuse("RS013", f"'of' is '{shorten(text)}'", expected=_PHASES, help=nearest(text, _WORDS))
    return text if text == EVERY_PHASE else read_name(text)


_Phases = Annotated[
    tuple[Annotated[str, AfterValidator(_read_phase)], ...],
    Strict(False),
    Field(min_length=1),
    BeforeValidator(
        _listed,
        json_schema_input_type=Literal["every phase", "success"]
        | Name
        | Annotated[list[Name], Field(min_length=1)],
    ),
]


class Stop(Model):
    """When to stop before the last iteration."""

    performance: float = Field(
        gt=0, le=1, description="Stop when the trimmed mean of performance over networks reaches this."
    )
    of: _Phases | None = Field(
        default=None,
        description="What must reach it: a phase, a list of phases, each of which must, 'every phase', or "
        "'success' of the task. Default: the performance in whole trials.",
    )
    trim: float = Field(
        default=0.0, ge=0, le=0.5, description="Share of networks that the trimmed mean drops at each end."
    )


class Evaluate(Model):
    """How often the networks are evaluated, on new trials and with the true dynamics."""

    every: int = Field(
        default=10, ge=0, le=MAX_ITERATIONS, description="Iterations between evaluations. 0: never evaluate."
    )
    batch: int = Field(default=200, ge=1, le=MAX_BATCH, description="Sequences in an evaluation.")


EvaluateOrNone = Annotated[
    Evaluate,
    word_or_mapping(NONE, lambda: {"every": 0}, schema=NoneWord | Evaluate),
]


class Training(Model):
    """How the networks are trained."""

    networks: int = Field(default=1, ge=1, le=MAX_NETWORKS, description="Networks trained side by side.")
    batch: int = Field(default=20, ge=1, le=MAX_BATCH, description="Sequences in an iteration.")
    iterations: int = Field(default=10_000, ge=1, le=MAX_ITERATIONS, description="Number of weight updates.")
    optimizer: Optimizer = Field(default=Adam(), description="The optimiser.")
    loss: Literal["auto", "squared_error"] = Field(
        default="auto",
        description="auto: cross-entropy for softmax outputs, squared error for all others.",
        json_schema_extra=words(
            auto="Cross-entropy for softmax outputs, squared error for all others.",
            squared_error="Squared error for all outputs.",
        ),
    )
    penalty: Penalty = Field(default=Penalty(), description="Penalties on rates and weights.")
    clip: float | None = Field(
        default=None, gt=0, description="Largest norm of the gradient of a network. Default: no clipping."
    )
    stop: Stop | None = Field(default=None, description="When to stop early. Default: never.")
    trials: Literal["shared", "independent"] = Field(
        default="shared",
        description="Whether all networks get the same trials.",
        json_schema_extra=words(
            shared="All networks get the same trials.",
            independent="Each network gets trials of its own.",
        ),
    )
    evaluate: EvaluateOrNone = Field(default=Evaluate(), description="When to evaluate. 'none': never.")
    seed: int = Field(default=0, ge=0, le=2**32 - 1, description="Seed of all random numbers.")
