"""Tensors from the bytes of a safetensors file.  Nothing in such a file is executed or unpickled."""

from __future__ import annotations

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor


class NotSafetensors(ValueError):  # noqa: N818
    """Some bytes are no safetensors file, or one with numbers that torch does not have."""


def parse_tensors(data: bytes) -> dict[str, Tensor]:
    """Return the tensors by name.  Raises NotSafetensors with the reason."""
    try:
        return safetensors.torch.load(data)
    except SafetensorError as error:
        raise NotSafetensors(str(error)) from None
    except KeyError as error:
        raise NotSafetensors(f"torch has no numbers of type {error}") from None
