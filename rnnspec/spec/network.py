"""The `network` section: populations, channels, weights, noise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from rnnspec.spec.choices import NONE_OR, NONE_TAG, REST_TAG, by_kind, check_kind
from rnnspec.spec.fields import Ends, Model, Name, Names, NoneWord, PositiveTime, refuse
from rnnspec.spec.texts import Distribution

#: The most units of a population or channel.  w_rec has as many entries as the square of all units.
MAX_UNITS = 4096

#: Each pair of populations is a block of w_rec; each population and channel, a block of w_in or w_out.
MAX_POPULATIONS = 64
MAX_CHANNELS = 128

Sign = Literal["excitatory", "inhibitory"]


class Population(Model):
    """Units with the same time constant."""

    size: int = Field(ge=1, le=MAX_UNITS, description="Number of units.")
    tau: PositiveTime = Field(description="Time constant of the units, such as '100 ms'.")
    sign: Sign | None = Field(
        default=None,
        description="Dale's law: the sign of all outgoing weights. Default: both signs.",
    )


# --- activations -------------------------------------------------------------------------------------


class PlainActivation(Model):
    """An activation without parameters."""

    kind: Literal["relu", "softplus", "tanh", "retanh", "sigmoid", "linear"] = Field(
        description="The activation function."
    )


class LeakyRelu(Model):
    """x for x > 0, slope * x otherwise."""

    kind: Literal["leaky_relu"] = Field(description="The activation function.")
    slope: float = Field(default=0.01, ge=0, le=1, description="Slope for x < 0.")


class Power(Model):
    """max(x, 0) ** exponent."""

    kind: Literal["power"] = Field(description="The activation function.")
    exponent: float = Field(default=2.0, gt=0, le=16, description="The exponent.")


class Softmax(Model):
    """exp(x) / sum exp(x) over the units of the channel."""

    kind: Literal["softmax"] = Field(description="The activation function.")


ActivationWord = Literal["relu", "softplus", "tanh", "retanh", "sigmoid", "linear", "leaky_relu", "power"]
OutputActivationWord = Literal[
    "linear", "sigmoid", "softmax", "relu", "softplus", "tanh", "retanh", "leaky_relu", "power"
]
_WORDS = ("relu", "softplus", "tanh", "retanh", "sigmoid", "linear", "leaky_relu", "power")

_Activation = Annotated[
    Annotated[PlainActivation, Tag("<relu>")]
    | Annotated[LeakyRelu, Tag("<leaky_relu>")]
    | Annotated[Power, Tag("<power>")],
    by_kind(PlainActivation, LeakyRelu, Power),
]
_OutputActivation = Annotated[
    Annotated[PlainActivation, Tag("<relu>")]
    | Annotated[LeakyRelu, Tag("<leaky_relu>")]
    | Annotated[Power, Tag("<power>")]
    | Annotated[Softmax, Tag("<softmax>")],
    by_kind(PlainActivation, LeakyRelu, Power, Softmax),
]
Activation = Annotated[
    _Activation,
    check_kind(PlainActivation, LeakyRelu, Power, shorthand=_WORDS, schema=ActivationWord | _Activation),
]
OutputActivation = Annotated[
    _OutputActivation,
    check_kind(
        PlainActivation,
        LeakyRelu,
        Power,
        Softmax,
        shorthand=(*_WORDS, "softmax"),
        schema=OutputActivationWord | _OutputActivation,
    ),
]

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
        default=PlainActivation(kind="linear"), description="Activation of the output units. Default: linear."
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
    activation: Activation = Field(
        default=PlainActivation(kind="relu"), description="Function f from input current to firing rate."
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
        default="relu", description="Effective weights under Dale's law: +-relu(w) or +-|w|."
    )
