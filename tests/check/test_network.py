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
