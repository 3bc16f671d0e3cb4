"""Who a run is: the hash that names it."""

from __future__ import annotations

from rnnspec.files import sha256
from rnnspec.runs.version import package_version


def identity(text: str) -> str:
    """Return the SHA-256 of a resolved document and the version of the package that gives it meaning."""
    return identity_of(text, package_version())


def identity_of(text: str, version: str) -> str:
    """Return the identity that a document has in some version of the package."""
    return sha256(f"rnnspec {version}\n{text}".encode())
