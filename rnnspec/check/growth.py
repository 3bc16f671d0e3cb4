"""RS108: whether the initial weights amplify the mean activity before anything is learned."""

from __future__ import annotations

import math

from rnnspec.diagnostics import Problems
from rnnspec.program.nodes import Block, Distribution, Matrix, Network, Program
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.syntax.compose import Document


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
            help="write 'w_rec: spectral(normal(0, 1), 1)' under 'weights', or balance the signs",
        )


def _growth(network: Network) -> float:
    """Return the largest real part of the eigenvalues of M."""
    starts = [p.start for p in network.populations]
    mean_field = [[0.0 for _ in starts] for _ in starts]
    for block in network.w_rec.blocks:
        target, source = starts.index(block.rows[0]), starts.index(block.columns[0])
        mean_field[target][source] = _returned(block, network.w_rec)
    if not any(map(any, mean_field)):
        return 0.0
    # Imported only for weights with a nonzero mean, which are rare: without numpy, validation starts faster.
    import numpy

    return float(numpy.linalg.eigvals(numpy.array(mean_field)).real.max())


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
