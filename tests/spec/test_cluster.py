"""The document of a cluster: what it means, and the messages for its mistakes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cli.command import ROOT, rnnspec
from sweeps.samples import write_sweep

from rnnspec.diagnostics import SpecError
from rnnspec.spec.cluster import PROVIDERS, Slurm, read_walltime
from rnnspec.sweeps.providers import load_cluster


def write(folder: Path, text: str) -> Path:
    path = folder / "cluster.yaml"
    path.write_text(f"rnnspec: 1\n{text}")
    return path


def test_a_document_of_slurm(tmp_path: Path) -> None:
    text = """\
provider: slurm
partition: gpu
walltime: 1-02:00:00
stop_before: 5 min
jobs: 3
nodes: 2
units_per_node: 4
options: [--reservation=lab]
"""
    cluster = load_cluster(write(tmp_path, text))
    assert isinstance(cluster, Slurm)
    assert (cluster.walltime, cluster.stop_before) == (26 * 3600, 300)
    assert cluster.slots == 24
    assert cluster.options == ("--reservation=lab",)
    assert (cluster.threads, cluster.exclusive, cluster.gpus) == (1, False, None)


def test_the_shortest_documents(tmp_path: Path) -> None:
    needed = {
        "slurm": "walltime: 00:10:00",
        "pbs": "walltime: 00:10:00",
        "lsf": "walltime: 00:10:00",
        "kubernetes": "image: lab/rnnspec\nvolumes: {lab: /lab}",
        "local": "",
    }
    assert needed.keys() == PROVIDERS.keys()
    for provider, keys in needed.items():
        assert load_cluster(write(tmp_path, f"provider: {provider}\n{keys}\n")).slots == 1
        if keys:
            with pytest.raises(SpecError, match="RS011"):
                load_cluster(write(tmp_path, f"provider: {provider}\n"))


def test_walltimes() -> None:
    assert read_walltime("00:01:00") == 60
    assert read_walltime("100:00:30") == 360030
    assert read_walltime("2-12:00:00") == 60 * 3600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs: 2", r"1:1: error\[RS011\].*'provider'(.|\n)*slurm, pbs, lsf"),
        ("provider: slrm", r"2:11: error\[RS013\].*'slrm'(.|\n)*did you mean 'slurm'"),
        ("provider: [slurm]", r"2:11: error\[RS013\](.|\n)*slurm, pbs"),
        ("provider: local\npartition: x", r"3:1: error\[RS010\] 'partition'"),
        ("provider: local\njobs: 0", r"3:7: error\[RS013\] 'jobs' is 0"),
        ("provider: local\nnodes: 2", r"3:8: error\[RS013\](.|\n)*raise 'jobs'"),
        ("provider: local\nports: [4, 5000]", r"3:9: error\[RS013\] item 1 of 'ports' is 4"),
        ("provider: local\nports: [5001, 5000]", r"3:8: error\[RS013\] the first port is above"),
        ("provider: local\nstop_before: 2", r"3:14: error\[RS014\] 2 has no unit(.|\n)*write '2 min'"),
        ("provider: local\nstop_before: 2 steps", r"3:14: error\[RS014\] a job has no steps"),
        ("provider: slurm\nwalltime: 4:00", r"3:11: error\[RS013\](.|\n)*hours:minutes:seconds"),
        ("provider: slurm\nwalltime: 60", r"3:11: error\[RS012\](.|\n)*hours:minutes:seconds"),
        ("provider: slurm\nwalltime: 00:00:59", r"3:11: error\[RS013\](.|\n)*at least a minute"),
        ("provider: slurm\nwalltime: 00:60:00", r"3:11: error\[RS013\]"),
        ("provider: lsf\nwalltime: 00:05:30", r"3:11: error\[RS013\](.|\n)*whole minutes"),
        ("provider: slurm\nwalltime: 00:05:30", r"3:11: error\[RS013\](.|\n)*whole minutes"),
        ("provider: slurm\nwalltime: 00:02:00", r"3:11: error\[RS013\] units are saved 120 s before"),
        ("provider: local\nwalltime: 00:02:00\nstop_before: 2 min", r"4:14: error\[RS013\] units are saved"),
        ("provider: local\ngpus: 2\nunits_per_node: 3", r"4:17: error\[RS013\] 3 units cannot share 2 GPUs"),
        ("provider: slurm\nwalltime: 00:10:00\noptions: --x", r"4:10: error\[RS012\](.|\n)*brackets"),
        ("provider: kubernetes\nimage: x\nvolumes: {}", r"4:1: error\[RS011\] .volumes. is empty"),
        ("provider: kubernetes\nimage: x\nvolumes: {a: /a}\nuser: -1", r"5:7: error\[RS013\] 'user'"),
    ],
)
def test_mistakes_are_named_at_their_place(tmp_path: Path, text: str, message: str) -> None:
    answer = rnnspec(
        "sweep", write_sweep(tmp_path), "--out", tmp_path / "runs", "--on", write(tmp_path, text)
    )
    assert answer.code == 1
    assert re.search(rf"cluster\.yaml:{message}", answer.err), answer.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["cluster.yaml", "cluster.py"])
def test_without_parsl_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write(tmp_path, "provider: local")
    (tmp_path / "cluster.py").write_text("config = None")
    monkeypatch.setitem(sys.modules, "parsl", None)
    answer = rnnspec("sweep", write_sweep(tmp_path), "--out", tmp_path / "runs", "--on", tmp_path / name)
    assert answer.code == 2
    assert "pip install 'rnnspec[train,cluster]'" in answer.err
    assert not (tmp_path / "runs").exists()


def test_workers_are_for_this_machine(tmp_path: Path) -> None:
    path = write(tmp_path, "provider: local")
    answer = rnnspec("sweep", write_sweep(tmp_path), "--on", path, "--workers", "2")
    assert answer.code == 2
    assert "units_per_node" in answer.err


# --- docs/cluster.md ---------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    """Return the cells of the rows of the tables of keys."""
    section = PAGE.partition("\n## Keys\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_explains_every_key_of_every_provider() -> None:
    explained: dict[str, set[str]] = {provider: set() for provider in PROVIDERS}
    for keys, *cells in rows():
        named = [name for name in re.findall(r"`(\w+)`", cells[0]) if name in PROVIDERS]
        special = len(cells) == 3
        batch = any(key in keys for key in ("account", "options"))
        found = named if special else ["slurm", "pbs", "lsf"] if batch else list(PROVIDERS)
        for provider in found:
            explained[provider] |= set(re.findall(r"`(\w+)`", keys))
    assert explained == {provider: set(model.model_fields) for provider, model in PROVIDERS.items()}


def test_the_page_gives_the_defaults() -> None:
    defaults = {key.strip("`"): cells[-2] for key, *cells in rows()}
    for key, shown in (("jobs", 1), ("units_per_node", 1), ("threads", 1), ("nodes", 1)):
        assert Slurm.model_fields[key].default == shown
        assert defaults[key] == str(shown)
    assert defaults["stop_before"] == f"`{Slurm.model_fields['stop_before'].default / 60:g} min`"


def test_the_example_of_the_page_is_a_cluster(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "slurm.yaml").write_text(text)
    cluster = load_cluster(tmp_path / "slurm.yaml")
    assert (cluster.slots, cluster.address) == (80, "ib0")
