"""The `network` section: populations, channels, weights, noise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, Tag, create_model, model_validator

from rnnspec.spec.activations import ACTIVATIONS, ActivationFunction
from rnnspec.spec.choices import NONE_OR, NONE_TAG, REST_TAG, by_kind, check_kind, kind_tag, kinds_of
from rnnspec.spec.fields import Ends, Model, Name, Names, NoneWord, PositiveTime, refuse, words
from rnnspec.spec.texts import Distribution

#: The most units of a population or channel.  w_rec has as many entries as the square of all units.
MAX_UNITS = 4096

#: Each pair of populations is a block of w_rec; each population and channel, a block of w_in or w_out.
MAX_POPULATIONS = 64
MAX_CHANNELS = 128

Sign = Annotated[
    Literal["excitatory", "inhibitory"],
    Field(json_schema_extra=words(excitatory="No weight is negative.", inhibitory="No weight is positive.")),
]


class Population(Model):
    """Units with the same time constant."""

    size: int = Field(ge=1, le=MAX_UNITS, description="Number of units.")
    tau: PositiveTime = Field(description="Time constant of the units, such as '100 ms'.")
    sign: Sign | None = Field(
        default=None,
        description="Dale's law: the sign of all outgoing weights. Default: both signs.",
    )


# --- activations -------------------------------------------------------------------------------------


class Activation(Model):
    """An activation function and its options: the base of one model for each entry of the table."""

    kind: str = Field(description="The activation function.")

    @property
    def options(self) -> tuple[float, ...]:
        """The values of the options, in the order of the table."""
        return tuple(getattr(self, option.name) for option in ACTIVATIONS[self.kind].options)


def _model(name: str, functions: Sequence[ActivationFunction]) -> type[Activation]:
    """Return the model of an activation function, or of several that have no option."""
    names = tuple(function.name for function in functions)
    kind = Field(description="The activation function.", json_schema_extra=words(**_formulas(functions)))
    fields: dict[str, Any] = {"kind": (Literal[names], kind)}
    for option in functions[0].options:
        limit: dict[str, Any] = {"gt": 0} if option.positive else {"ge": 0}
        limit |= {"le": option.maximum}
        fields[option.name] = (float, Field(default=option.default, description=option.meaning, **limit))
    formula = _formulas(functions)[names[0]]
    doc = formula if len(functions) == 1 else "An activation without parameters."
    return create_model(name, __base__=Activation, __doc__=doc, **fields)


def _formulas(functions: Sequence[ActivationFunction]) -> dict[str, str]:
    return {f.name: f.formula_with([option.name for option in f.options]) for f in functions}


_PLAIN = [f for f in ACTIVATIONS.values() if not f.options and not f.distribution]
_OTHERS = [f for f in ACTIVATIONS.values() if f.options or f.distribution]
_MODELS = {
    _model("PlainActivation", _PLAIN): _PLAIN,
    **{_model(f"{f.name.title().replace('_', '')}Activation", [f]): [f] for f in _OTHERS},
}


def _one_of(functions: Sequence[ActivationFunction]) -> Any:
    """Return the type of a field that takes one of some activation functions, as a word or a mapping."""
    models = [model for model, members in _MODELS.items() if members[0] in functions]
    names = tuple(function.name for function in functions)
    tagged: list[Any] = [Annotated[model, Tag(kind_tag(kinds_of(model)[0]))] for model in models]
    mapping: Any = Annotated[reduce(or_, tagged), by_kind(*models)]
    word: Any = Annotated[Literal[names], Field(json_schema_extra=words(**_formulas(functions)))]
    return Annotated[mapping, check_kind(*models, shorthand=names, schema=word | mapping)]


if TYPE_CHECKING:
    UnitActivation: TypeAlias = Activation
    OutputActivation: TypeAlias = Activation
else:
    UnitActivation = _one_of([f for f in ACTIVATIONS.values() if not f.distribution])
    OutputActivation = _one_of(list(ACTIVATIONS.values()))

# --- noise -------------------------------------------------------------------------------------------


class NoNoise(Model):
    """No noise."""

    kind: Literal["none"] = Field(default="none", description="The noise process.")


class WhiteNoise(Model):
    """Independent Gaussian noise at every step, with standard deviation scale * sqrt(2 tau / dt)."""

    kind: Literal["white"] = Field(description="The noise process.")
    scale: float = Field(
        ge=0, description="Standard deviation of the noise once filtered by tau. It is added inside f."
    )


class OUNoise(Model):
    """An Ornstein-Uhlenbeck process of variance 1 for each unit, times scale."""

    kind: Literal["ou"] = Field(description="The noise process.")
    scale: float = Field(ge=0, description="Standard deviation of the noise. It is added inside f.")
    tau: PositiveTime = Field(description="Time constant of the noise, such as '100 ms'.")


_Noise = Annotated[
    Annotated[OUNoise, Tag("<ou>")]
    | Annotated[WhiteNoise, Tag("<white>")]
    | Annotated[NoNoise, Tag("<none>")],
    by_kind(OUNoise, WhiteNoise, NoNoise),
]
Noise = Annotated[
    _Noise, check_kind(OUNoise, WhiteNoise, NoNoise, shorthand=("none",), schema=NoneWord | _Noise)
]

# --- channels ----------------------------------------------------------------------------------------


class Channel(Model):
    """A group of input or output units: one unit, `size` units, or a ring of units."""

    size: int | None = Field(default=None, ge=1, le=MAX_UNITS, description="Number of units. Default: 1.")
    ring: int | None = Field(
        default=None,
        ge=2,
        le=MAX_UNITS,
        description="Number of units of a ring. Unit i prefers the direction 2 pi i / ring.",
    )

    @model_validator(mode="after")
    def size_or_ring(self) -> Channel:
        if self.size is not None and self.ring is not None:
            message = "a channel cannot have both 'size' and 'ring'"
            raise refuse("RS013", message, help="delete one of the two", at=("ring",))
        return self


class InputChannel(Channel):
    """Units that carry stimuli and cues into the network."""

    to: Names | None = Field(
        default=None, description="Population, or list of populations, that it projects to. Default: all."
    )


class OutputChannel(Channel):
    """Units that read out the network."""

    from_: Names | None = Field(
        default=None,
        alias="from",
        description="Population, or list of populations, that it reads. Default: all.",
    )
    activation: OutputActivation = Field(
        default=Activation(kind="linear"), description="Activation of the output units. Default: linear."
    )
    bias: bool = Field(default=False, description="Whether the readout has a trainable bias.")


# --- weights -----------------------------------------------------------------------------------------


class Weights(Model):
    """Distributions of the initial weights, such as 'normal(0, 1/units)'."""

    w_rec: Distribution | None = Field(
        default=None, description="Recurrent weights. Default: normal(0, 1/sqrt(units))."
    )
    w_in: Distribution | None = Field(
        default=None, description="Input weights. Default: normal(0, 1/sqrt(fan_in))."
    )
    w_out: Distribution | None = Field(
        default=None, description="Readout weights. Default: normal(0, 1/sqrt(fan_in))."
    )
    bias: Distribution | None = Field(default=None, description="Bias of the units. Default: zeros.")


class Connection(Model):
    """How the weights from one population or channel to another differ from the rest."""

    init: Distribution | None = Field(
        default=None, description="Initial weights. Default: those of the whole matrix."
    )
    density: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Probability that a connection between two units exists, drawn for each network.",
    )
    trainable: bool = Field(default=True, description="Whether the weights are trained.")
    sign: Sign | None = Field(
        default=None, description="Sign of the weights. Default: that of the sending population."
    )
    self_: bool = Field(default=True, alias="self", description="Whether a unit may connect to itself.")


ConnectionOrNone = Annotated[
    Annotated[NoneWord, Tag(NONE_TAG)] | Annotated[Connection, Tag(REST_TAG)], NONE_OR
]


class Network(Model):
    """The simulated network: tau dr/dt = -r + f(w_rec r + bias + w_in u + noise)."""

    dt: PositiveTime = Field(description="Length of a simulation step, such as '5 ms'.")
    populations: dict[Name, Population] = Field(
        min_length=1,
        max_length=MAX_POPULATIONS,
        description="Groups of units by name. Units are numbered in the order written.",
    )
    activation: UnitActivation = Field(
        default=Activation(kind="relu"), description="Function f from input current to firing rate."
    )
    noise: Noise = Field(
        default=NoNoise(kind="none"), description="Noise of the units, added inside f. Default: none."
    )
    inputs: dict[Name, InputChannel] = Field(
        max_length=MAX_CHANNELS, default={}, description="Input channels by name."
    )
    outputs: dict[Name, OutputChannel] = Field(
        max_length=MAX_CHANNELS, default={}, description="Output channels by name."
    )
    weights: Weights = Field(default=Weights(), description="Distributions of the initial weights.")
    connections: dict[Ends, ConnectionOrNone] = Field(
        default={},
        description="Connections that are not all-to-all and trained, by their ends: 'exc -> inh'.",
    )
    dale: Literal["relu", "abs"] = Field(
        default="relu",
        description="Effective weights under Dale's law: +-relu(w) or +-|w|.",
        json_schema_extra=words(relu="+-max(w, 0)", abs="+-|w|"),
    )
