"""The version of this package."""

from __future__ import annotations

from importlib import metadata


def package_version() -> str:
    """Return the version that is installed."""
    try:
        return metadata.version("rnnspec")
    except metadata.PackageNotFoundError:  # used from its sources, without being installed
        return "0+unknown"
