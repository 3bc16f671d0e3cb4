"""What `rnnspec status` says of edited specs, and of runs that began from trained networks."""

from __future__ import annotations

from pathlib import Path

from training.samples import TINY

from rnnspec.cli.display.status_table import distinct_settings
from rnnspec.runs.edits import edits
from rnnspec.runs.manifest import Origin
from rnnspec.runs.status import RunStatus

HASH = "0" * 64


def run(folder: Path, text: str, *settings: str, methods: tuple[str, ...] = ()) -> RunStatus:
    """Make a run folder that has only a spec; return its state."""
    number = len(list(folder.iterdir()))
    place = folder / f"tiny-{number}"
    place.mkdir()
    (place / "spec.yaml").write_text(text, encoding="utf-8")
    return RunStatus(place, "tiny", "finished", f"{number:064x}", methods, settings)


def test_values_that_were_edited(tmp_path: Path) -> None:
    longer = TINY.replace("duration: 80 ms", "duration: 120 ms")
    found = [
        run(tmp_path, TINY),
        run(tmp_path, longer),
        run(tmp_path, longer.replace("batch: 4, iter", "clip: 1.0, batch: 8, iter")),
    ]
    key = "task.epochs.response.duration"
    assert edits(found) == [
        {key: "80 ms", "training.batch": "4"},
        {key: "120 ms", "training.batch": "4"},
        {key: "120 ms", "training.clip": "1.0", "training.batch": "8"},
    ]
    assert distinct_settings(found)[2] == "duration=120 ms clip=1.0 batch=8"
    # Nothing tells the same spec, or a run alone, apart.
    assert edits(found[:1]) == [{}]
    assert edits([found[0], run(tmp_path, TINY)]) == [{}, {}]


def test_what_was_set_is_no_edit(tmp_path: Path) -> None:
    edited = TINY.replace("tau: 100 ms}\n  inputs", "tau: 200 ms}\n  inputs")
    found = [
        run(tmp_path, TINY.replace("networks: 3", "networks: 5"), "training.networks=5"),
        run(tmp_path, edited.replace("{kind: ou", "{kind: white"), "training = {networks: 3}"),
    ]
    assert edits(found) == [
        {"network.noise.kind": "ou", "network.noise.tau": "100 ms"},
        {"network.noise.kind": "white", "network.noise.tau": "200 ms"},
    ]
    assert edits([found[0], run(tmp_path, TINY)]) == [{}, {}]
    shown = distinct_settings(found)
    assert shown[0] == "networks=5 kind=ou tau=100 ms"


def test_other_names_and_overlays_are_not_compared(tmp_path: Path) -> None:
    one, other = run(tmp_path, TINY), run(tmp_path, TINY.replace("batch: 4", "batch: 8"), methods=("fast",))
    assert edits([one, other]) == [{}, {}]


def test_few_and_short_values_are_shown(tmp_path: Path) -> None:
    many = TINY.replace("20 ms", "10 ms").replace("size: 3", "size: 4").replace("ring: 4", "ring: 8")
    long = many.replace("uniform(0, 2*pi)", "uniform(0, 2*pi) + 0 * (1 + 2 + 3)")
    found = edits([run(tmp_path, TINY), run(tmp_path, long)])
    assert [len(values) for values in found] == [3, 3]
    text = TINY.replace("uniform(0, 2*pi)", "uniform(0, 2*pi) + 0 * (1 + 2 + 3)")
    (_, shown) = edits([run(tmp_path, TINY), run(tmp_path, text)])
    assert shown == {"task.draw.direction": "uniform(0, 2*pi) + 0 ..."}


def test_a_spec_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    found = [run(tmp_path, TINY), run(tmp_path, TINY.replace("batch: 4", "batch: 8")), run(tmp_path, "[")]
    (found[0].folder / "spec.yaml").unlink()
    assert edits(found) == [{}, {}, {}]


def test_the_run_from_which_training_began(tmp_path: Path) -> None:
    def begun(*networks: int) -> RunStatus:
        origin = Origin(
            run="runs/before-1a2b3c4d",
            identity=HASH,
            iterations=10,
            weights_sha256=HASH,
            networks=networks,
            taken=(),
            drawn=(),
            left=(),
            initial_sha256=HASH,
        )
        return RunStatus(tmp_path, "tiny", "finished", origin=origin)

    found = [begun(0, 1, 2), begun(2, 2, 2), begun(2, 0, 1), RunStatus(tmp_path, "tiny", "finished")]
    assert distinct_settings(found) == [
        "from=before-1a2b3c4d",
        "from=before-1a2b3c4d[2]",
        "from=before-1a2b3c4d[2,0,1]",
        "",
    ]
