"""Random initial weights in a generated module: draw the matrices, then set their zeros and signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rnnspec.codegen.constants import literal
from rnnspec.program.nodes import Block, Distribution, Matrix, Network

Rectangle = tuple[tuple[int, int], tuple[int, int]]


def weight_lines(network: Network) -> list[str]:
    """Return the statements of `random_weights`, which draw w_rec, w_in, w_out and the biases."""
    lines = [line for matrix in (network.w_rec, network.w_in, network.w_out) for line in _matrix(matrix)]
    lines.append(f"bias = {_draw(network.bias, network.units, 1)}[..., 0]")
    if network.readout_bias:
        lines.append(f"readout_bias = torch.zeros(networks, {network.output_units})")
    return lines


def uses_orthogonal(network: Network) -> bool:
    """Whether any tensor has an orthogonal distribution."""
    matrices = (network.w_rec, network.w_in, network.w_out)
    inits = [m.init for m in matrices] + [b.init for m in matrices for b in m.blocks if b.init is not None]
    return any(init.name == "orthogonal" for init in (*inits, network.bias))


def _matrix(matrix: Matrix) -> Iterator[str]:
    name = matrix.name
    yield f"{name} = {_draw(matrix.init, matrix.rows, matrix.columns)}"
    for block in matrix.blocks:
        if block.present and block.init is not None:
            rows, columns = block.rows[1] - block.rows[0], block.columns[1] - block.columns[0]
            yield f"{name}{_place((block.rows, block.columns))} = {_draw(block.init, rows, columns)}"
    for place in _merged(matrix, lambda block: not block.present):
        yield f"{name}{_place(place)} = 0"
    for block in matrix.blocks:
        if block.present and block.density < 1:
            rows, columns = block.rows[1] - block.rows[0], block.columns[1] - block.columns[0]
            chosen = f"torch.rand(networks, {rows}, {columns}) < {literal(block.density)}"
            yield f"{name}{_place((block.rows, block.columns))} *= {chosen}"
    if name == "w_rec":
        for first, last in _without_self_connections(matrix):
            yield f"{name}.diagonal(0, 1, 2)[:, {first}:{last}] = 0"
    for sign, symbol in (("excitatory", ""), ("inhibitory", "-")):
        for place in _merged(matrix, lambda block, sign=sign: block.sign == sign):  # type: ignore[misc]
            yield f"{name}{_place(place)} = {symbol}{name}{_place(place)}.abs()"
    if matrix.radius is not None:
        radius = f"torch.linalg.eigvals({name}).abs().amax(-1)"
        yield f"{name} *= {literal(matrix.radius)} / {radius}[:, None, None]"


def _draw(distribution: Distribution, rows: int, columns: int) -> str:
    shape = f"networks, {rows}, {columns}"
    a, b = (*(literal(v) for v in distribution.arguments), "0", "0")[:2]
    match distribution.name:
        case "zeros":
            return f"torch.zeros({shape})"
        case "identity":
            return f"{a} * torch.eye({rows}, {columns}).repeat(networks, 1, 1)"
        case "normal":
            scaled = f"torch.randn({shape})" if b == "1" else f"{b} * torch.randn({shape})"
            return scaled if a == "0" else f"{a} + {scaled}"
        case "uniform":
            return f"torch.empty({shape}).uniform_({a}, {b})"
        case "gamma":
            return f"{b} * torch.distributions.Gamma({_float(a)}, 1.0).sample(({shape}))"
        case "orthogonal":
            return f"{a} * orthogonal({shape})"
    raise ValueError(f"unknown distribution '{distribution.name}'")


def _float(text: str) -> str:
    return text if "." in text or "e" in text else f"{text}.0"


def _without_self_connections(matrix: Matrix) -> list[tuple[int, int]]:
    """Return the ranges of the diagonal without self-connections; adjacent ranges are joined."""
    found: list[tuple[int, int]] = []
    for block in sorted(matrix.blocks, key=lambda block: block.rows):
        first, last = max(block.rows[0], block.columns[0]), min(block.rows[1], block.columns[1])
        if not block.self_connections and block.present and first < last:
            if found and found[-1][1] == first:
                first = found.pop()[0]
            found.append((first, last))
    return found


def _merged(matrix: Matrix, chosen: Callable[[Block], bool]) -> list[Rectangle]:
    """Return rectangles that cover the chosen blocks; adjacent blocks are joined along rows, then columns."""
    pieces = sorted((block.rows, block.columns) for block in matrix.blocks if chosen(block))
    wide: list[Rectangle] = []
    for rows, columns in pieces:
        if wide and wide[-1][0] == rows and wide[-1][1][1] == columns[0]:
            columns = (wide.pop()[1][0], columns[1])
        wide.append((rows, columns))
    tall: list[Rectangle] = []
    for rows, columns in sorted(wide, key=lambda piece: (piece[1], piece[0])):
        if tall and tall[-1][1] == columns and tall[-1][0][1] == rows[0]:
            rows = (tall.pop()[0][0], rows[1])
        tall.append((rows, columns))
    whole = (0, matrix.rows), (0, matrix.columns)
    return sorted(tall) if tall != [whole] else [whole]


def _place(rectangle: Rectangle) -> str:
    (top, bottom), (left, right) = rectangle
    return f"[:, {top}:{bottom}, {left}:{right}]"
