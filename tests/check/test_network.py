"""Rules of the network beyond the examples of the catalogue."""

from __future__ import annotations

import pytest
from support import codes, problems

CHAIN = """
network:
  populations:
    a: {size: 2, tau: 100 ms}
    b: {size: 2, tau: 100 ms}
  connections:
    input -> b: none
    input -> output: none
    a -> output: none
"""

LINKS = ("input -> a", "a -> b", "b -> output")


def test_an_input_reaches_an_output_through_a_chain_of_populations() -> None:
    assert codes(CHAIN) == []


@pytest.mark.parametrize("link", LINKS)
def test_a_chain_with_a_link_missing_influences_nothing(link: str) -> None:
    """RS106, whichever link is missing."""
    found = problems(CHAIN, f"network: {{connections: {{'{link}': none}}}}")
    outputs = ("fixation", "saccade")
    assert [(d.code, d.message) for d in found] == [
        ("RS106", f"no input can influence the output '{output}'") for output in outputs
    ]


EXCITED = "network: {populations: {input: {size: 32, sign: excitatory}, output: {size: 8, sign: inhibitory}}}"


@pytest.mark.parametrize("activation", ["tanh", "retanh", "softsign", "sigmoid"])
def test_rates_saturate_under_unbalanced_signs(activation: str) -> None:
    """RS110: with normal(0, 0.158) the excitatory population drives every unit by 4 times its rate."""
    strong = "network: {weights: {w_rec: 'normal(0, 0.5)'}}"
    chosen = f"network: {{activation: {activation}}}"
    assert codes(chosen) == []
    assert codes(EXCITED, chosen, strong) == ["RS110"]
    # Four times as strong, the inhibition balances four times as many excitatory units.
    balanced = """
network:
  connections:
    output -> input: {init: "normal(0, 2)"}
    output -> output: {init: "normal(0, 2)"}
"""
    assert codes(EXCITED, chosen, strong, balanced) == []
    assert codes(EXCITED, chosen, "network: {weights: {w_rec: 'spectral(normal(0, 1), 1)'}}") == []
    assert codes(EXCITED, chosen, "network: {weights: {w_rec: 'normal(0, 0.01)'}}") == []


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(
    ("overlays", "said"),
    [
        ((EXCITED,), "write 'w_rec: spectral(normal(0, 1), 1)' under 'weights', or balance excitation"),
        (
            (EXCITED, "network: {weights: {w_rec: 'gamma(4, 1/units)'}}"),
            "write 'w_rec: spectral(gamma(4, 1/units), 1)', or balance excitation and inhibition",
        ),
        (
            ("network: {weights: {w_rec: 'uniform(0.5, 1.5)'}}",),
            "write 'w_rec: spectral(uniform(0.5, 1.5), 1)', or give the weights a mean of 0",
        ),
        (
            ("network: {connections: {output -> output: {init: 'normal(1, 0)'}}}",),
            "write 'w_rec: spectral(normal(0, 1/sqrt(units)), 1)' under 'weights', or give",
        ),
    ],
)
def test_the_remedy_is_about_the_weights_of_the_spec(
    activation: str, overlays: tuple[str, ...], said: str
) -> None:
    chosen = f"network: {{activation: {activation}}}"
    (problem,) = problems(*overlays, chosen)
    assert problem.code == ("RS108" if activation == "relu" else "RS110")
    assert problem.help.startswith(said)
    written = problem.help.split("'")[1].removeprefix("w_rec: ")
    assert codes(*overlays, chosen, f"network: {{weights: {{w_rec: '{written}'}}}}") == []


def test_weights_that_cannot_be_scaled_are_made_smaller() -> None:
    zeros = "network: {weights: {w_rec: zeros}, connections: {output -> output: {init: 'normal(1, 0)'}}}"
    (problem,) = problems(zeros)
    assert problem.help == "make the weights of the connections smaller, or give the weights a mean of 0"


def test_rates_that_grow_are_not_said_to_saturate() -> None:
    assert codes(EXCITED) == ["RS108"]
