"""Errors outside of specs that the user can remedy."""

from __future__ import annotations


class RequestError(Exception):
    """A request that cannot be carried out.  reason: one sentence.  remedy: what the user can do."""

    def __init__(self, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{reason}\n{remedy}")


#: The packages of the extra `train`, which reading, checking and compiling specs do not need.
TRAINING_PACKAGES = ("numpy", "safetensors", "torch")


def missing_package(error: BaseException) -> RequestError | None:
    """Return what to say of a package of the extra `train` that is not installed; None for other errors."""
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in TRAINING_PACKAGES:
        return None
    return RequestError(
        f"The Python package {package} is not installed; all that trains, evaluates or simulates needs it.",
        "Install it: pip install 'rnnspec[train]'",
    )
