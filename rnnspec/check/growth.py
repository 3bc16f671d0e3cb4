"""RS108, RS110: whether the initial weights let the mean activity grow, or saturate the rates."""

from __future__ import annotations

import math
from collections.abc import Callable

from rnnspec.diagnostics import Problems, shorten
from rnnspec.program.nodes import Block, Distribution, Matrix, Network, Program
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Scalar


def activity_stays(program: Program, document: Document, problems: Problems) -> None:
    """RS108: the mean-field activity of a network with unbounded rates grows.

    With f(x) ~ x for large x, tau dm/dt = -m + M m, where m is the mean rate of each population, grows if an
    eigenvalue of M has a real part above 1.
    M_ab = (size of b) * (density of b -> a) * (mean initial weight of b -> a).
    """
    network = program.network
    if not ACTIVATIONS[network.activation.name].grows or network.w_rec.radius is not None:
        return
    feedback = _growth(network)
    # The margin is for rounding: a matrix with the eigenvalue 1, such as the identity, does not amplify.
    if feedback > 1 + 1e-6:
        path = network.w_rec.path
        given = document.node(path) is not None
        problems.warning(
            "RS108",
            f"the initial weights amplify mean activity {feedback:.3g}-fold, so it grows from the start",
            document.span(path if given else ("network", "populations"), key=not given),
            expected="at most 1-fold",
            help=_remedy(network, document),
        )


def _remedy(network: Network, document: Document) -> str:
    """Return how to keep the activity in bounds with the weights of this spec."""
    w_rec = network.w_rec
    signed = any(block.present and block.sign is not None for block in w_rec.blocks)
    balance = "balance excitation and inhibition" if signed else "give the weights a mean of 0"
    if w_rec.init.name == "zeros":
        return f"make the weights of the connections smaller, or {balance}"
    written = document.node(w_rec.path)
    if isinstance(written, Scalar):
        return f"write 'w_rec: spectral({shorten(written.text, 80)}, 1)', or {balance}"
    # Weights of their own keep their size relative to the default ones.
    own = any(block.init is not None for block in w_rec.blocks)
    default = "normal(0, 1/sqrt(units))" if own else "normal(0, 1)"
    return f"write 'w_rec: spectral({default}, 1)' under 'weights', or {balance}"


#: The slope of an activation, relative to the steepest, below which a population hardly responds.
SATURATED = 0.1


def rates_respond(program: Program, document: Document, problems: Problems) -> None:
    """RS110: the mean-field activity settles where a bounded activation is flat.

    tau dm/dt = -m + f(M m), from a small mean rate m of each population, with M as for RS108.
    """
    network = program.network
    function = ACTIVATIONS[network.activation.name]
    if not math.isfinite(function.high) or network.w_rec.radius is not None:
        return
    mean_field = _mean_field(network)
    if not any(map(any, mean_field)):
        return
    drives = _settled(network.activation.name, mean_field)
    steepest = max(_slope(network.activation.name, x / 10) for x in range(-5, 6))
    flat = [
        population.name
        for population, drive in zip(network.populations, drives, strict=True)
        if abs(_slope(network.activation.name, drive)) < SATURATED * steepest
    ]
    if flat:
        path = network.w_rec.path
        given = document.node(path) is not None
        problems.warning(
            "RS110",
            f"the initial weights saturate the {network.activation.name} rates of "
            + " and ".join(f"'{name}'" for name in flat)
            + f": a mean current of {max(map(abs, drives)):.2g} keeps them near a bound",
            document.span(path if given else ("network", "populations"), key=not given),
            expected="weights whose means balance",
            help=_remedy(network, document),
        )


def _settled(name: str, mean_field: list[list[float]]) -> list[float]:
    """Return the mean current of each population after the mean-field dynamics have run for 30 tau."""
    rates = [0.1 for _ in mean_field]
    drives = list(rates)
    for _ in range(300):
        drives = [sum(w * r for w, r in zip(row, rates, strict=True)) for row in mean_field]
        rates = [
            rate + 0.1 * (_VALUES[name](drive) - rate) for rate, drive in zip(rates, drives, strict=True)
        ]
    return drives


def _slope(name: str, x: float) -> float:
    """Return f'(x); for what is flat below 0, that of the right side."""
    value = _VALUES[name]
    return (value(x + 1e-4) - value(x)) / 1e-4


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


#: The activations of populations that have bounds.
_VALUES: dict[str, Callable[[float], float]] = {
    "tanh": math.tanh,
    "retanh": lambda x: math.tanh(max(x, 0.0)),
    "sigmoid": _logistic,
    "softsign": lambda x: x / (1 + abs(x)),
}


def _growth(network: Network) -> float:
    """Return the largest real part of the eigenvalues of M."""
    mean_field = _mean_field(network)
    if not any(map(any, mean_field)):
        return 0.0
    # Imported only for weights with a nonzero mean, which are rare: without numpy, validation starts faster.
    import numpy

    return float(numpy.linalg.eigvals(numpy.array(mean_field)).real.max())


def _mean_field(network: Network) -> list[list[float]]:
    """Return M, by target and source population."""
    starts = [p.start for p in network.populations]
    mean_field = [[0.0 for _ in starts] for _ in starts]
    for block in network.w_rec.blocks:
        target, source = starts.index(block.rows[0]), starts.index(block.columns[0])
        mean_field[target][source] = _returned(block, network.w_rec)
    return mean_field


def _returned(block: Block, matrix: Matrix) -> float:
    """Return the expected sum of the weights of a block over the inputs of one unit."""
    if not block.present:
        return 0.0
    init = matrix.init if block.init is None else block.init
    whole = block.init is None
    sources, targets = block.columns[1] - block.columns[0], block.rows[1] - block.rows[0]
    length = matrix.rows if whole else max(sources, targets)
    diagonal = block.rows == block.columns
    sign = {"excitatory": 1.0, "inhibitory": -1.0, None: 0.0}[block.sign]
    if init.name == "identity":
        kept = block.self_connections or not diagonal
        on_diagonal = diagonal or not whole
        gain = sign * abs(init.arguments[0]) if sign else init.arguments[0]
        return gain * block.density if kept and on_diagonal else 0.0
    if diagonal and not block.self_connections:
        sources -= 1
    mean = sign * _mean_size(init, length) if sign else _mean(init)
    return mean * block.density * sources


def _mean(init: Distribution) -> float:
    """Return the mean of a weight."""
    match init.name, init.arguments:
        case "normal", (mean, _):
            return mean
        case "uniform", (low, high):
            return (low + high) / 2
        case "gamma", (shape, scale):
            return shape * scale
    return 0.0


def _mean_size(init: Distribution, length: int) -> float:
    """Return the mean of |w|, the initial magnitude of weights with a fixed sign.

    length: the longer side of the matrix; entries of an orthogonal matrix are about
    normal(0, gain / sqrt(length)).
    """
    match init.name, init.arguments:
        case "normal", (mean, sd):
            return _folded(mean, sd)
        case "orthogonal", (gain,):
            return _folded(0.0, abs(gain) / math.sqrt(length))
        case "uniform", (low, high) if low < 0 < high:
            return (low**2 + high**2) / (2 * (high - low))
    return abs(_mean(init))


def _folded(mean: float, sd: float) -> float:
    """Return E|x| for x ~ normal(mean, sd)."""
    if sd == 0:
        return abs(mean)
    z = mean / sd
    return sd * math.sqrt(2 / math.pi) * math.exp(-(z**2) / 2) + mean * math.erf(z / math.sqrt(2))
