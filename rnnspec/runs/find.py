"""Finding the runs of a spec in a folder of runs, without torch."""

from __future__ import annotations

from pathlib import Path

from rnnspec.runs.layout import MANIFEST
from rnnspec.runs.status import RunStatus, run_status


def find_runs(folder: Path, identity: str, *, networks: int, first_network: int = 0) -> list[RunStatus]:
    """Return the runs directly below a folder that train the same networks of one spec, the oldest first.

    identity: see `rnnspec.runs.identity`.  networks, first_network: the part of the ensemble of the spec.
    Target, device and dtype do not belong to an identity: see `RunStatus`.  A run whose manifest cannot be
    read is left out; a folder that does not exist has no runs.
    """
    wanted = (identity, networks, first_network)
    statuses = [run_status(manifest.parent) for manifest in folder.glob(f"*/{MANIFEST}")]
    found = [s for s in statuses if (s.identity, s.networks, s.first_network) == wanted]
    # The second run of a spec has "-2" behind its name, the tenth "-10".
    return sorted(found, key=lambda status: (len(status.folder.name), status.folder.name))
