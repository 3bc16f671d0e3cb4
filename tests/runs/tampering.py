"""Changes to the files of a run folder, with hashes and seals that fit again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rnnspec.diagnostics import SpecError
from rnnspec.errors import RequestError
from rnnspec.files import sha256, to_json


def rewrite_manifest(run: Path, **fields: object) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | fields))


def latest(run: Path, suffix: str = ".json") -> Path:
    return sorted((run / "checkpoints").glob(f"*{suffix}"))[-1]


def sealed(facts: dict[str, object]) -> bytes:
    """Return the content of N.json with a seal that fits."""
    facts = {name: value for name, value in facts.items() if name != "seal"}
    return f"{to_json({**facts, 'seal': sha256(to_json(facts).encode())})}\n".encode()


def rewrite_checkpoint(run: Path, **fields: object) -> None:
    """Change the facts of the latest checkpoint."""
    file = latest(run)
    file.write_bytes(sealed(json.loads(file.read_text()) | fields))


def replace_tensors(run: Path, data: bytes) -> None:
    """Replace the tensors of the latest checkpoint."""
    latest(run, ".safetensors").write_bytes(data)
    rewrite_checkpoint(run, sha256=sha256(data))


def replace_weights(run: Path, data: bytes) -> None:
    """Replace the weights file of a finished run."""
    (run / "weights.safetensors").write_bytes(data)
    result = json.loads((run / "manifest.json").read_text())["result"]
    rewrite_manifest(run, result=result | {"weights_sha256": sha256(data)})


def refused(action: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the message with which a call is refused, or nothing; other errors are bugs."""
    try:
        action(*arguments, **options)
    except (RequestError, SpecError, OSError) as error:
        return str(error)
    return ""
