"""Who a run is: the versions that made it, and the hash that names it."""

from __future__ import annotations

import platform

import numpy
import torch

from rnnspec.files import sha256
from rnnspec.runs.version import package_version
from rnnspec.spec.document import LANGUAGE_VERSION


def identity(text: str) -> str:
    """Return the SHA-256 of a resolved document and the version of the package that gives it meaning."""
    return identity_of(text, package_version())


def identity_of(text: str, version: str) -> str:
    """Return the identity that a document has in some version of the package."""
    return sha256(f"rnnspec {version}\n{text}".encode())


def versions() -> dict[str, object]:
    """Return the versions that the numbers of a run may depend on."""
    return {
        "rnnspec": package_version(),
        "language": LANGUAGE_VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }
