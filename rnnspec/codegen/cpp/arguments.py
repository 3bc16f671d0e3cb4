"""The arguments of a kernel, described once: the C++ struct, the ctypes struct and the torch operator follow.

Axes: networks K, sequences B, steps T of the longest sequence, units N, input units C_in, output units C_out;
trials, phases, variables and skips of the program; tables (one timetable for all sequences, or one each),
the segments of each table, and the landings of all tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rnnspec.files import sha256

#: What the numbers of an argument are.  real: float or double, as the kernel is compiled.
#: Segment, Landing: the records below.
Type = Literal["int64", "double", "real", "int32", "uint8", "Segment", "Landing"]

#: given: an input.  optional: an input that may be absent.  result: an output, in memory that is 0 before.
#: recorded, gradient: an output that is present if the caller wants recorded activity, or gradients.
#: scratch, scratch of gradient: memory of the kernel, which the caller allocates; the latter is 0 before.
Role = Literal["given", "optional", "result", "recorded", "gradient", "scratch", "scratch of gradient"]


@dataclass(frozen=True)
class Argument:
    """A number if axes is None, otherwise an array with these axes.

    length_of: the axis of other arguments that this number is the length of.
    """

    name: str
    type: Type
    meaning: str
    axes: tuple[str, ...] | None = None
    role: Role = "given"
    length_of: str | None = None

    @property
    def declaration(self) -> str:
        """The member of the C++ struct, without its comment."""
        if self.axes is None:
            return f"{CPP[self.type]} {self.name};"
        constant = "const " if self.role in ("given", "optional") else ""
        return f"{constant}{CPP[self.type]}* {self.name};"

    @property
    def comment(self) -> str:
        """The axes, whether it may be absent, and the meaning."""
        axes = f"({', '.join(self.axes)}) " if self.axes is not None else ""
        absent = dict.fromkeys(("optional", "recorded", "gradient", "scratch of gradient"), "or null: ")
        return f"{axes}{absent.get(self.role, '')}{self.meaning}"


#: The types in C++.
CPP: dict[Type, str] = {
    "int64": "int64_t",
    "double": "double",
    "real": "real",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "Segment": "Segment",
    "Landing": "Landing",
}


@dataclass(frozen=True)
class Record:
    """A struct of 32-bit integers.  fields: their names and meanings, in order."""

    meaning: str
    fields: dict[str, str]


RECORDS: dict[Type, Record] = {
    "Segment": Record(
        "An epoch of one trial of a sequence, or the burn-in before the first trial.",
        {
            "epoch": "its number, -1 for the burn-in",
            "trial": "the number of the trial, -1 for the burn-in",
            "start": "its first step, on the clock of its sequence",
            "steps": "its number of steps",
            "grace": "how many of them are not judged",
            "gradient": "whether they carry gradient, 0 or 1",
        },
    ),
    "Landing": Record(
        "The end of a skip: state = (1 - beta) (source + n increment) + beta state, n = state - source.",
        {
            "state": "the number of the state that is changed",
            "source": "the number of the state where the skip starts",
            "increment": "the step whose increment F(r) - r is added, -1 for none (sctt)",
            "edge": "the number of the skip, whose beta it is",
        },
    ),
}


def number(name: str, type: Type, meaning: str, length_of: str | None = None) -> Argument:
    return Argument(name, type, meaning, length_of=length_of)


def array(name: str, type: Type, axes: str, meaning: str, role: Role = "given") -> Argument:
    return Argument(name, type, meaning, tuple(axes.split(", ")), role)


ARGUMENTS: tuple[Argument, ...] = (
    # sizes
    number("networks", "int64", "networks of this call", "K"),
    number("sequences", "int64", "sequences of each network", "B"),
    number("longest", "int64", "steps of the longest sequence", "T"),
    number("tables", "int64", "timetables: 1 if all sequences have the same, else B", "tables"),
    number("segments", "int64", "segments of each timetable", "segments"),
    number("landings", "int64", "landings of the timetable that has most", "most landings"),
    number("first_gradient", "int64", "the first step with gradient of any sequence; T if there is none"),
    number("threads", "int64", "at most so many threads"),
    # random numbers
    number("first_network", "int64", "the number of network 0 in the whole ensemble"),
    number("seed", "int64", "the seed, first word of every key"),
    number("noise_key", "int64", "second word of the key for the noise of units"),
    number("white_key", "int64", "second word of the key for white noise in inputs"),
    number("draws_key", "int64", "second word of the key for the draws of trials"),
    # coefficients
    number("dt", "double", "seconds in a step"),
    array("alpha", "real", "N", "dt / tau of each unit"),
    number(
        "noise_start", "double", "the standard deviation of Ornstein-Uhlenbeck noise before the first step"
    ),
    number("noise_keep", "double", "1 - dt / tau of Ornstein-Uhlenbeck noise"),
    array("noise_gain", "real", "N", "the standard deviation of what a step adds to the noise"),
    array("clock", "double", "T + 1", "seconds after so many steps"),
    array("betas", "double", "skips", "beta of each skip connection"),
    number(
        "rate_points",
        "double",
        "states with gradient of all sequences, times N: rates are averaged over them",
    ),
    # timetables
    array("segment", "Segment", "tables, segments", "the segments, in order of time"),
    array("landing_first", "int64", "tables + 1", "where the landings of each timetable begin"),
    array("landing", "Landing", "landings", "the landings, in the order in which they are applied"),
    # weights, as they take effect: masked and signed
    array("w_rec", "real", "K, N, N", "recurrent weights, to the first unit from the second"),
    array("w_in", "real", "K, N, C_in", "input weights"),
    array("w_out", "real", "K, C_out, N", "readout weights"),
    array("bias", "real", "K, N", "biases of the units"),
    array("readout_bias", "real", "K, C_out", "biases of the readout", "optional"),
    # what else the caller may ask
    array("scale", "real", "K", "a factor of the loss and of its gradient", "optional"),
    array(
        "of_rates",
        "real",
        "K, B, T, N",
        "a gradient with respect to the rates, added to that of the loss",
        "optional",
    ),
    array(
        "given",
        "double",
        "variables, K, B, trials",
        "values in place of draws and reads, NaN for none",
        "optional",
    ),
    # results
    array("loss", "real", "K", "the loss, penalties included", "result"),
    array("mean_rate", "real", "K", "the mean of |r| over the states with gradient", "result"),
    array("right", "int32", "K, B, trials, phases", "points at which `correct` holds", "result"),
    array("points", "int32", "B, trials, phases", "points at which `correct` is asked", "result"),
    array("steps", "int32", "B, trials, phases", "steps of the epochs that have `correct`", "result"),
    array("success", "uint8", "K, B, trials", "whether `success` holds", "result"),
    array("scored", "uint8", "K, B, trials", "whether `scored` holds", "result"),
    array("variables", "double", "K, B, trials, variables", "draws and reads", "result"),
    array("rates", "real", "K, B, T, N", "the state after each step", "recorded"),
    array("inputs", "real", "K, B, T, C_in", "the inputs during each step", "recorded"),
    array("d_w_rec", "real", "K, N, N", "the gradient of the loss with respect to w_rec", "gradient"),
    array("d_w_in", "real", "K, N, C_in", "with respect to w_in", "gradient"),
    array("d_w_out", "real", "K, C_out, N", "with respect to w_out", "gradient"),
    array("d_bias", "real", "K, N", "with respect to bias", "gradient"),
    array("d_readout_bias", "real", "K, C_out", "with respect to readout_bias", "gradient"),
)


def of_role(*roles: Role) -> tuple[str, ...]:
    """Return the names of the arguments that have one of some roles, in order."""
    return tuple(argument.name for argument in ARGUMENTS if argument.role in roles)


def layout(arguments: Sequence[Argument]) -> str:
    """Return a hash of the memory layout: a kernel and its caller check that theirs are the same."""
    records = [f"{name} {' '.join(record.fields)}" for name, record in RECORDS.items()]
    members = [argument.declaration for argument in arguments]
    return sha256("\n".join(records + members).encode())[:16]
