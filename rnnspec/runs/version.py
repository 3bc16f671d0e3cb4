"""The version of this package, on which the identity of a run and the bits of a training depend."""

from __future__ import annotations

#: The build reads it too.  A checkout that is installed in place has the version of its sources, not of the
#: day on which it was installed, so that a run of an older version is never resumed without a word.
VERSION = "0.2.0"


def package_version() -> str:
    """Return the version of these sources."""
    return VERSION
