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


def test_rates_that_grow_are_not_said_to_saturate() -> None:
    assert codes(EXCITED) == ["RS108"]
