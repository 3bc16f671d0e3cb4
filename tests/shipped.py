"""The specs in specs/, and the facts about them in docs/science.md, written out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from evaluation import Values

from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems, render_text
from rnnspec.program.nodes import Epoch, Program
from rnnspec.syntax.compose import compose

SPECS = Path(__file__).parent.parent / "specs"
#: The methods in specs/methods.
METHODS = ("control", "cd10", "sctt10", "sctt40", "dasc10", "dasc40", "strategic")

MS = Fraction(1, 1000)
CONTEXT, HOLD, DELAY, LEAD_IN, JITTER = 1000, 500, 1000, 200, 100

#: Family: its epochs, with the mean duration and jitter in ms.
FAMILIES: dict[str, dict[str, tuple[int, int]]] = {
    "A": {
        "context": (CONTEXT, 0),
        "fixation": (HOLD, JITTER),
        "stimulus": (HOLD, JITTER),
        "response": (HOLD, 0),
    },
    "B": {
        "context": (CONTEXT, 0),
        "fixation": (HOLD, JITTER),
        "stimulus": (HOLD, JITTER),
        "delay": (DELAY, JITTER),
        "response": (HOLD, 0),
    },
    "C": {
        "context": (CONTEXT, 0),
        "fixation": (HOLD, JITTER),
        "stimulus_1": (HOLD, JITTER),
        "delay": (DELAY, JITTER),
        "stimulus_2": (HOLD, JITTER),
        "response": (HOLD, 0),
    },
}


@dataclass(frozen=True)
class Trial:
    """What a trial must be: bumps (modality, direction, strength) per epoch; the answer, None for holding."""

    bumps: Mapping[str, list[tuple[int, float, float]]]
    answer: float | None


@dataclass(frozen=True)
class Task:
    label: str
    family: str
    rule: int
    trial: Callable[[Values], Trial]
    reaction: bool = False


def one_bump(epoch: str, turn: float = 0.0) -> Callable[[Values], Trial]:
    return lambda v: Trial({epoch: [(int(v["modality"]), v["direction"], 1.0)]}, v["direction"] + turn)


def two_bumps(
    delayed: bool, strengths: Callable[[Values], list[tuple[int, float, float]]]
) -> Callable[[Values], Trial]:
    """strengths: for each modality shown, its number and the strengths of the first and the second bump."""

    def trial(v: Values) -> Trial:
        shown = strengths(v)
        first = [(modality, v["first"], a) for modality, a, _ in shown]
        second = [(modality, v["second"], b) for modality, _, b in shown]
        answer = v["first"] if v["difference"] > 0 else v["second"]
        if delayed:
            return Trial({"stimulus_1": first, "stimulus_2": second}, answer)
        return Trial({"stimulus": first + second}, answer)

    return trial


def plain(v: Values) -> list[tuple[int, float, float]]:
    return [(1, v["mean"] + v["difference"], v["mean"] - v["difference"])]


def distracted(v: Values) -> list[tuple[int, float, float]]:
    other = (2, v["other_mean"] + v["other_difference"], v["other_mean"] - v["other_difference"])
    return [*plain(v), other]


def multisensory(v: Values) -> list[tuple[int, float, float]]:
    ((_, a, b),) = plain(v)
    k, other = v["gain_1"], 2 - v["gain_1"]
    return [(1, k * a, k * b), (2, other * a, other * b)]


def matching(respond: Callable[[bool], bool]) -> Callable[[Values], Trial]:
    def trial(v: Values) -> Trial:
        bumps = {
            "stimulus_1": [(int(v["first_modality"]), v["first"], 1.0)],
            "stimulus_2": [(int(v["second_modality"]), v["second"], 1.0)],
        }
        return Trial(bumps, v["second"] if respond(bool(v["match"])) else None)

    return trial


def on_match(match: bool) -> bool:
    return match


def on_nonmatch(match: bool) -> bool:
    return not match


TASKS = {
    "go": Task("go", "A", 0, one_bump("stimulus")),
    "reaction_go": Task("rtgo", "A", 1, one_bump("response"), reaction=True),
    "delayed_go": Task("dgo", "B", 2, one_bump("stimulus")),
    "anti": Task("anti", "A", 3, one_bump("stimulus", math.pi)),
    "reaction_anti": Task("rtanti", "A", 4, one_bump("response", math.pi), reaction=True),
    "delayed_anti": Task("danti", "B", 5, one_bump("stimulus", math.pi)),
    "decision_making": Task("dm", "A", 6, two_bumps(False, plain)),
    "decision_making_distractor": Task("dmd", "A", 8, two_bumps(False, distracted)),
    "multisensory_decision_making": Task("msdm", "A", 10, two_bumps(False, multisensory)),
    "delayed_decision_making": Task("ddm", "C", 11, two_bumps(True, plain)),
    "delayed_decision_making_distractor": Task("ddmd", "C", 13, two_bumps(True, distracted)),
    "delayed_multisensory_decision_making": Task("msddm", "C", 15, two_bumps(True, multisensory)),
    "delayed_match_to_sample": Task("dms", "C", 16, matching(on_match)),
    "delayed_nonmatch_to_sample": Task("dnms", "C", 17, matching(on_nonmatch)),
    "delayed_match_to_category": Task("dmc", "C", 18, matching(on_match)),
    "delayed_nonmatch_to_category": Task("dnmc", "C", 19, matching(on_nonmatch)),
}
ALL = (*TASKS, "rule_reversal")

#: The positions of the rule cue, as docs/science.md lists them.
RULE_ORDER = [
    *("go", "rtgo", "dlygo", "anti", "rtanti", "dlyanti"),
    *("dm1", "dm2", "ctxdm1", "ctxdm2", "multsendm"),
    *("dlydm1", "dlydm2", "ctxdlydm1", "ctxdlydm2", "multsendlydm"),
    *("dms", "dnms", "dmc", "dnmc"),
]


@cache
def program(name: str, method: str | None = None) -> Program:
    """Return a checked program; any diagnostic fails the test."""
    problems = Problems()
    overlays = [SPECS / "methods" / f"{method}.yaml"] if method else []
    document = compose(SPECS / f"{name}.yaml", overlays, (), problems=problems)
    found = examine(document, problems) if document else None
    assert not problems.found, render_text(problems.sorted())
    assert found is not None
    return found


def epoch(name: str, which: str) -> Epoch:
    return next(e for e in program(name).timeline.epochs if e.name == which)
