"""The `network` section: populations, channels, weights, noise."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from rnnspec.spec.choices import NONE_OR, NONE_TAG, REST_TAG, by_kind, check_kind
from rnnspec.spec.fields import Ends, Model, Name, Names, NoneWord, PositiveTime, refuse
from rnnspec.spec.texts import Distribution

#: The largest population or channel: w_rec alone has the square of it in entries.
MAX_UNITS = 4096

#: Every pair of populations is a block of w_rec, every population and channel one of w_in or w_out.
MAX_POPULATIONS = 64
MAX_CHANNELS = 128

Sign = Literal["excitatory", "inhibitory"]


class Population(Model):
    """Units that share a time constant."""

    size: int = Field(ge=1, le=MAX_UNITS, description="Number of units.")
    tau: PositiveTime = Field(description="Time constant of the units, such as '100 ms'.")
    sign: Sign | None = Field(
        default=None,
        description="Dale's law: the sign of all outgoing weights. Absent: weights of either sign.",
    )


# --- activations -------------------------------------------------------------------------------------


class PlainActivation(Model):
    """An activation without a parameter."""

    kind: Literal["relu", "softplus", "tanh", "retanh", "sigmoid", "linear"] = Field(
        description="The activation function."
    )


class LeakyRelu(Model):
    """x above 0, slope * x below."""

    kind: Literal["leaky_relu"] = Field(description="The activation function.")
    slope: float = Field(default=0.01, ge=0, le=1, description="Slope below 0.")


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
    """Fresh Gaussian noise at every step, of standard deviation scale * sqrt(2 tau / dt)."""

    kind: Literal["white"] = Field(description="The noise process.")
    scale: float = Field(ge=0, description="Standard deviation of the filtered noise; enters inside f.")


class OUNoise(Model):
    """An Ornstein-Uhlenbeck process of unit variance per unit, times scale."""

    kind: Literal["ou"] = Field(description="The noise process.")
    scale: float = Field(ge=0, description="Standard deviation of the noise; enters inside f.")
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
    """A group of input or output units: one unit unless it has a size or is a ring."""

    size: int | None = Field(default=None, ge=1, le=MAX_UNITS, description="Number of units, 1 if absent.")
    ring: int | None = Field(
        default=None,
        ge=2,
        le=MAX_UNITS,
        description="Number of units of a ring: unit i prefers 2 pi i / ring.",
    )

    @model_validator(mode="after")
    def size_or_ring(self) -> Channel:
        if self.size is not None and self.ring is not None:
            raise refuse("RS013", "a channel has either a size or is a ring", at=("ring",))
        return self


class InputChannel(Channel):
    """Units that carry the task into the network."""

    to: Names | None = Field(
        default=None, description="Population, or list of them, that it reaches. Absent: all."
    )


class OutputChannel(Channel):
    """Units that read the network out."""

    from_: Names | None = Field(
        default=None,
        alias="from",
        description="Population, or list of them, that it is read from. Absent: all.",
    )
    activation: OutputActivation = Field(
        default=PlainActivation(kind="linear"), description="Function of the readout. Absent: linear."
    )
    bias: bool = Field(default=False, description="Whether the readout has a trained bias.")


# --- weights -----------------------------------------------------------------------------------------


class Weights(Model):
    """Initial values, such as 'normal(0, 1/units)'."""

    w_rec: Distribution | None = Field(
        default=None, description="Recurrent weights. Absent: normal(0, 1/sqrt(units))."
    )
    w_in: Distribution | None = Field(
        default=None, description="Input weights. Absent: normal(0, 1/sqrt(fan-in))."
    )
    w_out: Distribution | None = Field(
        default=None, description="Readout weights. Absent: normal(0, 1/sqrt(fan-in))."
    )
    bias: Distribution | None = Field(default=None, description="Bias of the units. Absent: zeros.")


class Connection(Model):
    """What is special about the weights from one population or channel to another."""

    init: Distribution | None = Field(
        default=None, description="Initial weights. Absent: those of the matrix."
    )
    density: float = Field(
        default=1.0, gt=0, le=1, description="Probability that a connection exists, drawn per network."
    )
    trainable: bool = Field(default=True, description="Whether the weights are trained.")
    sign: Sign | None = Field(
        default=None, description="Sign of the weights. Absent: that of the population."
    )
    self_: bool = Field(default=True, alias="self", description="Whether a unit may connect to itself.")


ConnectionOrNone = Annotated[
    Annotated[NoneWord, Tag(NONE_TAG)] | Annotated[Connection, Tag(REST_TAG)], NONE_OR
]


class Network(Model):
    """The network that is simulated: tau dr/dt = -r + f(w_rec r + bias + w_in u + noise)."""

    dt: PositiveTime = Field(description="Length of one simulation step, such as '5 ms'.")
    populations: dict[Name, Population] = Field(
        min_length=1,
        max_length=MAX_POPULATIONS,
        description="Groups of units, laid out in the order written.",
    )
    activation: Activation = Field(
        default=PlainActivation(kind="relu"), description="Function f from input current to rate."
    )
    noise: Noise = Field(
        default=NoNoise(kind="none"), description="Noise of the units, inside f. Absent: none."
    )
    inputs: dict[Name, InputChannel] = Field(
        max_length=MAX_CHANNELS, default={}, description="Input channels by name."
    )
    outputs: dict[Name, OutputChannel] = Field(
        max_length=MAX_CHANNELS, default={}, description="Output channels by name."
    )
    weights: Weights = Field(default=Weights(), description="Initial values of the weights.")
    connections: dict[Ends, ConnectionOrNone] = Field(
        default={},
        description="Connections that depart from all-to-all and trained, by their ends: 'exc -> inh'.",
    )
    dale: Literal["relu", "abs"] = Field(
        default="relu", description="Weights under Dale's law: +-relu(w) or +-|w|."
    )
