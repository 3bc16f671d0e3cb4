"""The mean field of the initial weights (RS108) is that of the weights that are drawn."""

from __future__ import annotations

import math

import pytest
import torch
from support import codes, problems, program

from rnnspec.check.growth import _VALUES, _returned
from rnnspec.runtime.effective_weights import effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.spec.activations import ACTIVATIONS

SIGNS = "network: {populations: {input: {size: 30, sign: excitatory}, output: {size: 20, sign: inhibitory}}}"
LARGE = "network: {populations: {input: {size: 30}, output: {size: 30}}}"


def weights(word: str) -> str:
    return f"network: {{weights: {{w_rec: '{word}'}}}}"


def block(word: str) -> str:
    return f"network: {{connections: {{input -> input: {{{word}}}, output -> input: {{{word}}}}}}}"


@pytest.mark.parametrize(
    "overlays",
    [
        (SIGNS,),
        (SIGNS, "network: {dale: abs}"),
        (SIGNS, weights("normal(0.1, 0.2)")),
        (SIGNS, weights("normal(-0.1, 0)")),
        (SIGNS, weights("uniform(-0.1, 0.4)")),
        (SIGNS, weights("uniform(-0.4, -0.1)")),
        (SIGNS, weights("gamma(2, 0.1)")),
        (SIGNS, weights("zeros")),
        (SIGNS, weights("orthogonal(2)")),
        (SIGNS, weights("identity(-2)")),
        (SIGNS, block("init: 'normal(0.3, 0.2)', density: 0.3")),
        (SIGNS, block("init: orthogonal, sign: excitatory")),
        (SIGNS, "network: {connections: {input -> input: {self: false}, output -> input: none}}"),
        (LARGE, weights("normal(0.1, 0.2)")),
        (LARGE, weights("identity(-2)")),
        (LARGE, block("init: identity(3), density: 0.3")),
        (LARGE, weights("identity(3)"), "network: {connections: {input -> input: {self: false}}}"),
    ],
)
def test_the_mean_field_is_that_of_the_weights(overlays: tuple[str, ...]) -> None:
    found = program(*overlays)
    raw = initial_weights(found, 50, 0, dtype=torch.float64)
    drawn = effective(raw, structure(found, 50, 0), found.network.dale)["w_rec"]
    # Entries of an orthogonal matrix are only nearly normal.
    margin = 0.02 if any("orthogonal" in overlay for overlay in overlays) else 1e-9
    for part in found.network.w_rec.blocks:
        rows = drawn[:, slice(*part.rows), slice(*part.columns)].sum(-1)
        spread = float(rows.std()) / rows.numel() ** 0.5
        assert _returned(part, found.network.w_rec) == pytest.approx(
            float(rows.mean()), abs=6 * spread + 1e-9, rel=margin
        )


def test_a_network_that_grows_is_warned_of() -> None:
    grows = "network: {populations: {input: {size: 80, sign: excitatory}, output: {sign: inhibitory}}}"
    (problem,) = problems(grows)
    # E|w| = sqrt(2 / pi / 84); eigenvalue: (80 - 4) times that.
    assert problem.message == (
        "the initial weights amplify mean activity 6.62-fold, so it grows from the start"
    )
    assert codes(grows, weights("normal(0, 1)")) == ["RS108"]
    for quiet in (
        weights("spectral(normal(0, 1), 1)"),
        weights("normal(0, 1/units)"),
        "network: {connections: {input -> input: none}}",
        "network: {populations: {output: {size: 80}}}",
    ):
        assert codes(grows, quiet) == [], quiet
    # Bounded rates do not grow; they saturate.
    assert codes(grows, "network: {activation: tanh}") == ["RS110"]
    assert codes(LARGE, weights("uniform(0, 0.1)")) == ["RS108"]
    assert codes(LARGE, weights("identity(1)")) == []


def test_the_place_is_what_was_written() -> None:
    (problem,) = problems(LARGE, weights("normal(1, 0)"))
    assert problem.span.source.lines[problem.span.line - 1].endswith("w_rec: 'normal(1, 0)'}}")
    assert problem.span.column == len("network: {weights: {w_rec: '")


def test_every_bounded_activation_has_its_formula() -> None:
    """Of those that populations may have."""
    bounded = {name for name, f in ACTIVATIONS.items() if math.isfinite(f.high) and not f.distribution}
    assert _VALUES.keys() == bounded
