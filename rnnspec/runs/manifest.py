"""The manifest of a run folder: what is trained, what computes, and what came of it.  Free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field
from pydantic_core import from_json

from rnnspec.diagnostics import closest, one_of, shorten
from rnnspec.errors import RequestError
from rnnspec.files import replace_file, sha256
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.layout import FORMAT, INITIAL, MANIFEST, SPEC, WEIGHTS
from rnnspec.runs.record import RESTORE, Natural, PerNetwork, Positive, Record, Sha256, SixDigits
from rnnspec.runs.regular import read_regular

if TYPE_CHECKING:
    from rnnspec.program.nodes import Program

#: How a training has ended.
Ending = Literal["reached", "finished", "diverged", "interrupted", "terminated", "failed"]
#: The endings after which a training has nothing left to do, in words.
OVER = {
    "reached": "reached its criterion",
    "finished": "made all its iterations",
    "diverged": "ended when every network had diverged",
}
_MADE = "Give the folder that 'rnnspec train' made."


class Origin(Record):
    """The trained networks from which a training began (`rnnspec train --from`)."""

    run: str = Field(description="the run folder, as it was given")
    identity: Sha256 = Field(description="its identity")
    iterations: Natural = Field(description="updates that its networks had had")
    weights_sha256: Sha256 = Field(description="SHA-256 of its `weights.safetensors`")
    networks: tuple[Natural, ...] = Field(
        description="for each network of the ensemble, the number of the one in that run from which it began"
    )
    taken: tuple[str, ...] = Field(
        description="the tensors that were taken, by their names in `weights.safetensors`"
    )
    drawn: tuple[str, ...] = Field(description="those that the run lacks: they were drawn as usual")
    left: tuple[str, ...] = Field(description="those that only the run has")
    initial_sha256: Sha256 = Field(description="SHA-256 of `initial.safetensors`")

    @property
    def words(self) -> str:
        """What the identity of the training depends on."""
        return origin_words(self.weights_sha256, self.networks)


def origin_words(weights_sha256: str, networks: tuple[int, ...]) -> str:
    """Return what the identity of a training depends on if it begins from trained networks."""
    return f"networks {', '.join(map(str, networks))} of {weights_sha256}"


class Plan(Record):
    """What is trained, and how far."""

    format: Literal[4] = Field(default=FORMAT, description="version of this layout, 4")
    name: str = Field(description="name of the spec")
    methods: tuple[str, ...] = Field(description="names of the overlays, in order")
    settings: tuple[str, ...] = Field(description="the settings, `key=value`, as given to `--set`, in order")
    identity: Sha256 = Field(
        description="SHA-256 of the version of rnnspec and the resolved document; the name of the folder has "
        "its first eight digits"
    )
    seed: Natural = Field(description="seed of all random numbers")
    networks: Positive = Field(description="K, the number of networks")
    first_network: Natural = Field(
        description="number of the first network in the ensemble of the spec; not 0 only with "
        "`--only-network`"
    )
    origin: Origin | None = Field(
        default=None, description="the networks from which training began; null: its weights were drawn"
    )
    iterations: Positive = Field(
        description="the iteration after which training ends at the latest; later than in the spec after "
        "`rnnspec train --extend`"
    )
    for_criterion: bool = Field(
        default=True,
        description="false: training no longer stops at the criterion, which it had reached before",
    )
    extended: bool = Field(default=False, description="whether the training was extended")
    diagnose_at: tuple[Positive, ...] = Field(
        default=(),
        description="iterations in which `--diagnose gradients` measures the gradient; empty without",
    )


class Versions(Record):
    """The versions of the software that a run was trained with."""

    rnnspec: str = Field(description="version of rnnspec")
    language: int = Field(description="version of the language of specs")
    python: str = Field(description="version of Python")
    torch: str = Field(description="version of torch")
    numpy: str = Field(description="version of NumPy")


class KernelRecord(Record):
    """What the bits of a compiled kernel depend on."""

    source: Sha256 = Field(description="SHA-256 of the C++ source that rnnspec generated for the spec")
    compiler: str = Field(description="version, target and arguments of the compiler")
    flags: tuple[str, ...] = Field(description="flags of the compiler")
    processor: str = Field(description="hash of the instructions of the processor, and of the C library")


class Circumstances(Record):
    """What computes: everything but the spec on which the bits of a training may depend."""

    versions: Versions
    target: str = Field(description="target, such as `cpu` or `torch`")
    kernel: KernelRecord | None = Field(
        description="what the bits of the compiled kernel depend on; null for targets that have none"
    )
    dtype: Literal["float32", "float64"] = Field(description="type of the numbers")
    device: str = Field(description="device, as torch names it")
    hardware: str = Field(description="the processor, or the GPU")
    threads: Positive = Field(description="number of processor threads")


class Summary(Record):
    """What a training came to."""

    status: Ending = Field(description="how training ended when the weights were saved, as in `status`")
    signal: str | None = Field(description="the signal that ended it, such as SIGTERM; null: none did")
    iterations: Natural = Field(description="updates made")
    evaluated: Natural | None = Field(
        description="number of updates after which performance was last measured; null: it never was"
    )
    trimmed_mean: SixDigits = Field(
        description="performance in whole trials, the mean over networks without the share `trim` of them "
        "at each end; this is compared with the criterion, unless `stop.of` names phases"
    )
    phase_means: dict[str, SixDigits] = Field(
        default={}, description="the same mean in each phase of the trial, by name of the phase"
    )
    performance: PerNetwork = Field(
        description="performance of each network; 0 if it has diverged, null if no trial counted"
    )
    phases: dict[str, PerNetwork] = Field(
        default={}, description="the same in each phase of the trial, by name of the phase"
    )
    reached: tuple[Natural, ...] | None = Field(
        description="numbers of the networks whose own performance is at the criterion, in all that it is "
        "about; null without a criterion"
    )
    diverged: tuple[Divergence, ...] = Field(
        description="one entry for each network that has diverged: its number `network`, the "
        "`iteration` in which it did, and the `cause`"
    )


class StoredResult(Summary):
    """What a training came to, and the hashes of the files that belong to it."""

    spec_sha256: Sha256 = Field(description="SHA-256 of `spec.yaml`; an edited file is refused")
    weights_sha256: Sha256 = Field(description="SHA-256 of `weights.safetensors`; another file is refused")


class Drift(Record):
    """A resumption to other bits, which `--allow-drift` allowed."""

    iteration: Natural = Field(description="updates made before it")
    changed: tuple[str, ...] = Field(description="what had changed, a line each")


class Manifest(Circumstances, Plan):
    """What `manifest.json` holds."""

    status: Literal["running", Ending] = Field(
        description="`running`; `reached` the criterion; `finished` all iterations; `diverged`: no network "
        "is left; `interrupted` by Ctrl-C; `terminated` by another signal; `failed` with an error"
    )
    checkpointed: bool = Field(default=False, description="whether a checkpoint has been written")
    result: StoredResult | None = Field(default=None, description="null until there are weights")
    drift: tuple[Drift, ...] = Field(
        default=(),
        description="one entry for each time that training was resumed with `--allow-drift` to other bits: "
        "after which `iteration`, and what had `changed`",
    )

    @property
    def origin_words(self) -> str | None:
        """What the identity depends on besides the spec; None if the weights were drawn."""
        return None if self.origin is None else self.origin.words

    def hash_of(self, name: str) -> str | None:
        """Return the SHA-256 of the spec, or of weights; None if there are none yet."""
        if name == INITIAL:
            return None if self.origin is None else self.origin.initial_sha256
        if self.result is None:
            return None
        return {SPEC: self.result.spec_sha256, WEIGHTS: self.result.weights_sha256}[name]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    replace_file(folder / MANIFEST, f"{manifest.to_json(indent=2)}\n".encode())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run folder.

    Raises RequestError if the folder is no run folder, or if its manifest is damaged or of another version.
    """
    _check_folder(folder)
    file = folder / MANIFEST
    data = read_regular(file)
    _check_version(folder, data)
    manifest = Manifest.parse(data, file)
    _check_values(manifest, file)
    return manifest


def part_of(folder: Path, manifest: Manifest, program: Program) -> tuple[int, int]:
    """Return how many networks of the ensemble of its spec a run has, and the number of the first."""
    networks, first, every = manifest.networks, manifest.first_network, program.training.networks
    if (networks, first) != (every, 0) and not (networks == 1 and 0 <= first < every):
        raise RequestError(
            f"{folder / MANIFEST} does not fit {SPEC}: it has {networks:,} networks from number {first:,} "
            f"on, and the spec has {every:,}.",
            RESTORE,
        )
    return networks, first


def damage_of(folder: Path, manifest: Manifest, name: str) -> str | None:
    """Return what is wrong with a file whose hash the manifest has; None if nothing is."""
    file = folder / name
    try:
        data = read_regular(file)
    except FileNotFoundError:
        return f"{folder} is not whole: {name} is missing"
    except IsADirectoryError:
        return f"{file} is a folder"
    return (
        None if sha256(data) == manifest.hash_of(name) else f"{file} is not the file that the training wrote"
    )


def _check_folder(folder: Path) -> None:
    """Refuse what is no run folder."""
    if not folder.exists():
        meant = _meant(folder)
        raise RequestError(
            f"There is no run folder {folder}.",
            f"Did you mean {meant}?"
            if meant
            else f"Check the spelling; relative paths start in {Path.cwd()}.",
        )
    if not folder.is_dir():
        raise RequestError(f"{folder} is a file, not a run folder.", _MADE)
    if not (folder / MANIFEST).exists():
        inside = sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST}"))
        raise RequestError(
            f"{folder} is not a run folder: it has no {MANIFEST}.",
            RESTORE if (folder / WEIGHTS).exists() else f"Did you mean {inside[0]}?" if inside else _MADE,
        )


def _meant(folder: Path) -> Path | None:
    """Return the run folder with the most similar name, in the same folder or in `runs`."""
    runs = {
        manifest.parent.name: manifest.parent
        for place in (Path("runs"), folder.parent)
        for manifest in sorted(place.glob(f"*/{MANIFEST}"))
    }
    return runs.get(closest(folder.name, runs))


def _check_version(folder: Path, data: bytes) -> None:
    """Refuse a manifest of another version, whose fields may have other meanings."""
    # Imported here: the models of specs take longer than all of `rnnspec status`.
    from rnnspec.spec.document import LANGUAGE_VERSION

    file = folder / MANIFEST
    try:
        found = from_json(data)
    except ValueError:
        # Said better where it is read.
        return
    versions = found.get("versions") if isinstance(found, dict) else None
    made_with = versions if isinstance(versions, dict) else {}
    language = made_with.get("language", LANGUAGE_VERSION)
    if language != LANGUAGE_VERSION:
        writer = shorten(str(made_with.get("rnnspec", "of an unknown version")))
        raise RequestError(
            f"{file} is of version {shorten(str(language))} of the language, and this rnnspec reads version "
            f"{LANGUAGE_VERSION}.",
            f"Use the rnnspec that wrote it, {writer}.",
        )
    if (folder / "graph.py").exists():
        raise RequestError(f"{folder} is what 'rnnspec compile' wrote; it has no trained networks.", _MADE)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise RequestError(f"{file} was not written by this version of rnnspec.", RESTORE)


def _check_values(manifest: Manifest, file: Path) -> None:
    """Refuse a target that this version does not have, and networks that the run does not have."""
    # Imported here: `rnnspec status` shows runs of any target, and has no use for code generators.
    from rnnspec.runtime.targets import TARGETS

    if manifest.target not in TARGETS:
        raise RequestError(
            f"{file}: field 'target' is '{shorten(manifest.target)}', expected {one_of(TARGETS)}.", RESTORE
        )
    numbers = range(manifest.first_network, manifest.first_network + manifest.networks)
    for index, row in enumerate(manifest.result.diverged if manifest.result else ()):
        if row.network not in numbers:
            raise RequestError(
                f"{file}: field 'result.diverged[{index}].network' is {row.network}, and the run has the "
                f"networks {numbers.start} to {numbers.stop - 1}.",
                RESTORE,
            )
