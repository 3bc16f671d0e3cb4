"""Who a run is: the hash that names it."""

from __future__ import annotations

from rnnspec.files import sha256
from rnnspec.runs.version import package_version


def identity(text: str, origin: str | None = None) -> str:
    """Return the SHA-256 of a resolved document and the version of the package that gives it meaning.

    origin: what the networks begin from, if not from weights that are drawn.
    """
    return identity_of(text, package_version(), origin)


def identity_of(text: str, version: str, origin: str | None = None) -> str:
    """Return the identity that a document has in some version of the package."""
    begins = "" if origin is None else f"\nbegins from {origin}"
    return sha256(f"rnnspec {version}\n{text}{begins}".encode())
