"""The flag that rewrites the golden sources: `pytest tests/codegen --rewrite-golden`."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="accept the generated sources as they are")


@pytest.fixture
def rewrite_golden(request: pytest.FixtureRequest) -> bool:
    # The option is known only if this folder is named on the command line.
    return bool(request.config.getoption("rewrite_golden", False))
