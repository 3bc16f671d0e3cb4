"""minimal: Hold, look at a direction, then report it.

The task, the network, the loss and the score, in plain PyTorch.  Running `python graph.py` simulates one
batch with random networks; it needs torch alone.

    tau dr/dt = -r + f(W_rec r + b + W_in u + 0.3 eta),  f(x) = max(x, 0)^1.5
    y = g(W_out r + c),  g(x) = 1 / (1 + exp(-x)) for fixation, 1 / (1 + exp(-x)) for saccade, exp(x_i) /
        sum_j exp(x_j) for choice

populations   input 0:4 (tau 100 ms), output 4:8 (tau 60 ms)
inputs        cue to input, stimulus to input
outputs       fixation from output, saccade from output, choice from output
trial         (burn-in 100 ms), fixation drawn, stimulus drawn +- 40 ms, response 400 ms
skips         long (dasc), short (sctt), whole (dasc)

Axes, always in this order: networks K, sequences B, steps T, units N, channels C.  K' is K, or 1 for values
that all networks share.  A sequence is 2 trials in a row.
"""

import math

import torch
from torch import Tensor

DT = 0.02  # seconds per step
UNITS = 8
POPULATIONS = {"input": slice(0, 4), "output": slice(4, 8)}
TAU = torch.tensor([0.1] * 4 + [0.06] * 4, dtype=torch.float64)  # seconds, of each unit
INPUT = {"cue": slice(0, 1), "stimulus": slice(1, 9)}  # columns of W_in
OUTPUT = {"fixation": slice(0, 1), "saccade": slice(1, 9), "choice": slice(9, 11)}  # rows of W_out
NOISE_SCALE = 0.3
NOISE_TAU = 0.06  # seconds
TRIALS = 2  # in a sequence
PHASES = ("hold", "respond")  # of a trial


# --- the task ----------------------------------------------------------------------------------------
#
# Every value has the axes (K', B, T, C).  An axis along which it is constant has length 1, and values
# broadcast.  trial: the variables of a trial, by name.  y: the outputs by channel.  t: the seconds since the
# epoch began, (T, 1).


def draw(trial):
    """Draw the variables of a trial that depend on no read."""
    level = uniform(trial.words(0xD289B652, EVERY_TRIAL), 0.5, 1)
    rule = (constant(1), level)[trial.number]
    side = deal(
        trial,
        [
            [0, 1],
            [1, 0],
            [1, 1],
        ],
        span=3,
        period=3,
    )
    direction = uniform(trial.words(0x9C3CA344), 0, 2 * math.pi)
    wait = exponential(trial.words(0xCBB44BE0), 0.1, 0, 0.3)
    return {"level": level, "rule": rule, "side": side, "direction": direction, "wait": wait}


def recall(trial):
    """Compute what depends on the reads of earlier trials."""
    hint = trial.previous("answered", 0.5)
    return {"hint": hint}


def duration_fixation(trial):
    """The duration of fixation, in seconds."""
    wait = trial["wait"]
    return 0.06 + wait


def varying_fixation(trial, t, white):
    """The input that changes from step to step of fixation, by channel."""
    level = trial["level"]
    return {"cue": torch.sin(10 * t), "stimulus": level * (0.2 * white(0, "stimulus"))}


def target_fixation(trial, t):
    """The target outputs in fixation, by channel."""
    return {"fixation": 0.85, "saccade": 0.05}


def correct_fixation(trial, y):
    """Whether a point of fixation and stimulus is correct."""
    fixation = y["fixation"]
    return fixation > 0.5


def duration_stimulus(trial):
    """The duration of stimulus, in seconds."""
    wait = trial["wait"]
    return wait


def input_stimulus(trial):
    """The input throughout stimulus, by channel."""
    hint, rule, direction = trial["hint"], trial["rule"], trial["direction"]
    return {"cue": hint, "stimulus": rule * ring(direction, 8)}


def target_stimulus(trial, t):
    """The target outputs in stimulus, by channel."""
    side = trial["side"]
    return {"fixation": 0.85, "saccade": 0.05, "choice": onehot(side, 2)}


def read_stimulus(trial, y):
    """The values read from the outputs at the last step of stimulus."""
    choice_ = y["choice"]
    answered = argmax(choice_)
    return {"answered": answered}


def after_stimulus(trial):
    """Compute the variables that depend on the reads of stimulus."""
    answered, side = trial["answered"], trial["side"]
    right = number(answered == side)
    streak = where(right != 0, trial.previous("streak", 0) + 1, 0)
    return {"right": right, "streak": streak}


def input_response(trial):
    """The input throughout response, by channel."""
    right = trial["right"]
    return {"cue": right}


def target_response(trial, t):
    """The target outputs in response, by channel."""
    direction = trial["direction"]
    return {"fixation": where(t < 0.1, 0.2, 0.4), "saccade": 0.05 + 0.8 * ring(direction, 8)}


def weight_response(trial, t):
    """The weight of a point of response in the loss."""
    streak = trial["streak"]
    return (1 + streak) * (t > 0.04)


def correct_response(trial, y):
    """Whether a point of response is correct."""
    fixation, saccade = y["fixation"], y["saccade"]
    direction = trial["direction"].to(fixation)
    return (fixation < 0.5) & (distance(angle(saccade), direction) < 0.2 * math.pi)


def scored(trial):
    """Whether a trial is scored."""
    wait = trial["wait"]
    return wait > 0.02


class Epoch:
    """A part of a trial.  steps: at its mean duration.  grace: first steps without loss or score."""

    def __init__(
        self,
        name,
        phase,
        steps,
        grace,
        gradient,
        duration=None,
        input=None,
        varying=None,
        target=None,
        weight=None,
        correct=None,
        read=None,
        after=None,
    ):
        self.name, self.phase, self.steps, self.grace, self.gradient = name, phase, steps, grace, gradient
        self.duration = duration
        self.input = input
        self.varying = varying
        self.target = target
        self.weight = weight
        self.correct = correct
        self.read = read
        self.after = after


EPOCHS = [
    # name, phase, steps, grace, gradient, duration, input, varying, target, weight, correct, read, after
    Epoch(
        "fixation",
        "hold",
        7,
        0,
        True,
        duration_fixation,
        varying=varying_fixation,
        target=target_fixation,
        correct=correct_fixation,
    ),
    Epoch(
        "stimulus",
        "hold",
        4,
        0,
        True,
        duration_stimulus,
        input_stimulus,
        target=target_stimulus,
        correct=correct_fixation,
        read=read_stimulus,
        after=after_stimulus,
    ),
    Epoch(
        "response",
        "respond",
        20,
        5,
        True,
        input=input_response,
        target=target_response,
        weight=weight_response,
        correct=correct_response,
    ),
    # The burn-in is last, so that its index is -1.
    Epoch("burn_in", "", 5, 0, False),
]


# --- the network -------------------------------------------------------------------------------------


def step(rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> Tensor:
    """Advance the rates by one step of length dt (forward Euler).

    r' = r + alpha (-r + f(W_rec r + drive)),  alpha = dt/tau,  f(x) = max(x, 0)^1.5

    rate, drive: (K, B, N).  w_rec_t: (K, N, N), W_rec transposed.  alpha: (B, N).
    """
    total = torch.baddbmm(drive, rate, w_rec_t)
    return torch.lerp(rate, power(total, 1.5), alpha)


def chunk(rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> list[Tensor]:
    """Advance the rates by T steps and return the T new states, (K, B, N) each.

    drive: (T, K, B, N).  alpha: (T, B, N), 0 at steps in which a sequence waits.  `step` and `chunk` work
    with torch.compile, torch.export and torch.jit.script.
    """
    states: list[Tensor] = []
    for now, share in zip(drive.unbind(0), alpha.unbind(0)):
        rate = step(rate, now, w_rec_t, share)
        states.append(rate)
    return states


def readout(weights: dict[str, Tensor], states: Tensor) -> Tensor:
    """Return x = W_out r + c of states: (K, B, T, N) to (K, B, T, C)."""
    x = torch.baddbmm(weights["readout_bias"][:, None], states.flatten(1, 2), weights["w_out"].mT)
    return x.unflatten(1, states.shape[1:3])


def outputs(x: Tensor) -> dict[str, Tensor]:
    """Return the outputs y = g(x) by channel: (K, B, T, C) each."""
    x = dict(zip(OUTPUT, x.split([1, 8, 2], -1)))
    return {
        "fixation": torch.sigmoid(x["fixation"]),
        "saccade": torch.sigmoid(x["saccade"]),
        "choice": torch.softmax(x["choice"], -1),
    }


def power(x: Tensor, exponent: float) -> Tensor:
    """Return max(x, 0)^exponent, with slope 0 at 0."""
    positive = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, positive**exponent, torch.zeros_like(x))


class Skips:
    """Skip connections through time, which mix an earlier state into a later one.

    r <- (1 - beta) r(source) + beta r
    r <- (1 - beta) [r(source) + n (F(r) - r)] + beta r      n: the steps skipped, F: one step

    landings: each mixes state `source`, with F(r) - r of step `increment_step` (None for sctt), into state
    `state`.  edge: the index of its beta; the order is long, short, whole.  sequences: the sequences
    concerned.  length: the steps that they skip.
    """

    def __init__(self, landings, betas: tuple, rate: Tensor):
        self.betas, self.landings, self.states = betas, {}, {0: rate}
        self.sources = {landing.source for landing in landings}
        self.departures, self.increments = {landing.increment_step for landing in landings}, {}
        for landing in landings:
            self.landings.setdefault(landing.state, []).append(landing)

    def land(self, first: int, before: Tensor, states: list[Tensor]) -> None:
        """Apply the landings on the last of some states, and store the states that later landings use.

        first: the number of the state `before`.  states: the states that follow it.
        """
        for number, (old, new) in enumerate(zip([before, *states], states), first):
            if number in self.departures:
                self.increments[number] = new - old
        for landing in self.landings.get(first + len(states), ()):
            taken = self.states[landing.source]
            if landing.increment_step is not None:
                steps = landing.length
                taken = taken + steps * self.increments[landing.increment_step]
            mixed = torch.lerp(taken, states[-1], self.betas[landing.edge])
            chosen = torch.zeros(len(mixed[0]), 1, dtype=torch.bool)
            chosen[list(landing.sequences)] = True
            states[-1] = torch.where(chosen.to(mixed.device), mixed, states[-1])
        for number, state in enumerate(states, first + 1):
            if number in self.sources:
                self.states[number] = state


# --- the simulation ----------------------------------------------------------------------------------


class Segment:
    """An epoch of one trial: the steps start .. start + steps - 1.

    epoch: its index in EPOCHS, -1 for the burn-in.  grace: the number of first steps without loss or score.
    gradient: whether its states carry gradient.  Sequences can differ in length: the steps are those of the
    longest, and the others wait in their last state.  clocks, lengths: the start and the steps of each
    sequence, or one for all.
    """

    def __init__(self, epoch, trial, start, steps, grace, gradient, clocks, lengths):
        self.epoch, self.trial, self.start, self.steps = epoch, trial, start, steps
        self.grace, self.gradient, self.clocks, self.lengths = grace, gradient, clocks, lengths


class MeanTimetable:
    """The segments of mean durations, without skips; any object with these attributes can replace it."""

    landings = ()

    def __init__(self):
        self.segments, start = [], 0
        order = [(-1, -1), *((trial, epoch) for trial in range(TRIALS) for epoch in range(3))]
        for trial, number in order:
            e = EPOCHS[number]
            span = start, e.steps, e.grace, e.gradient, (start,), (e.steps,)
            self.segments.append(Segment(number, trial, *span))
            start += e.steps


class Result:
    """Sums over the points of a batch, by trial and phase; a point is the state after one step."""

    def __init__(self, trials: list, rate: Tensor, dt: float, record: bool):
        self.trials, self.dt, self.record = trials, dt, record
        zero, keys = rate.new_zeros(rate.shape[:2]), [(n, phase) for n in range(TRIALS) for phase in PHASES]
        self.errors = {key: Sum(zero) for key in keys}
        self.entropies = {key: Sum(zero) for key in keys}
        self.right, self.steps = {key: Sum(zero) for key in keys}, dict.fromkeys(keys, 0)
        self.rate_abs = Sum(zero[:, 0])
        self.rate_square = Sum(zero[:, 0])
        self.rates, self.inputs = [], []  # if recorded, in pieces: (K, B, T, N), (K', B, T, C)


class Sum:
    """A sum and the number of its terms."""

    def __init__(self, zero: Tensor):
        self.amount, self.count = zero, 0

    def add(self, amount: Tensor, count) -> None:
        self.amount, self.count = self.amount + amount, self.count + count


def simulate(
    weights: dict[str, Tensor],
    sequences: int,
    timetable=None,
    *,
    dt: float = DT,
    betas: tuple = (),
    seed: int = 0,
    iteration: int = 0,
    evaluation: bool = False,
    first_network: int = 0,
    forced_reads: dict[str, Tensor] | None = None,
    initial: Tensor | None = None,
    current: Tensor | None = None,
    record: bool = False,
) -> Result:
    """Simulate one batch of trials with an ensemble of networks.

    weights: effective weights w_rec (K, N, N), where [k, i, j] is from unit j to unit i, w_in (K, N, C),
    w_out (K, C, N), bias (K, N), readout_bias (K, C).  timetable: by default a MeanTimetable.  dt: seconds
    per step.  betas: one for each skip.  seed, iteration, evaluation: select the random numbers.
    first_network: the number of network 0 in a larger ensemble.  forced_reads: (K, B, trials) by name, used
    instead of the values read from the outputs.  initial: the state before the first step, (K, B, N), 0 by
    default.  current: added to the drive of each step, (K, B, T, N).  record: store rates and inputs.
    """
    timetable = timetable or MeanTimetable()
    like, w_rec_t = weights["bias"], weights["w_rec"].mT
    networks = torch.arange(first_network, first_network + len(like))
    key = 8 * iteration + (5 if evaluation else 0)
    trials = draw_trials((seed, key + 2), networks, sequences)
    noise = Noise((seed, key), networks, sequences, dt, like)
    white = White((seed, key + 1), networks, sequences, dt)
    alpha, rate = (dt / TAU).to(like), like.new_zeros(len(like), sequences, UNITS)
    rate = rate if initial is None else rate + initial
    skips = Skips(timetable.landings, betas, rate)
    result, learn = Result(trials, rate, dt, record), torch.is_grad_enabled()
    for segment in timetable.segments:
        epoch, trial = EPOCHS[segment.epoch], trials[segment.trial]
        if segment.epoch == 0:
            trial.update(recall(trial))
        clocks, lengths = (torch.tensor(x, device=like.device) for x in (segment.clocks, segment.lengths))
        with torch.set_grad_enabled(learn and segment.gradient):
            u = inputs(epoch, trial, like)
            constant, path = weights["bias"][:, None] + u @ weights["w_in"].mT, []
            end = segment.start + segment.steps
            for first, last in cuts(segment.start, end, noise.longest, skips.landings):
                k = torch.arange(first - segment.start, last - segment.start, device=like.device)[:, None]
                active = (k < lengths).expand(-1, sequences)
                own = (clocks + torch.minimum(k, lengths)).expand(-1, sequences)
                white.steps = own.T.cpu()
                t = seconds(first - segment.start, last - segment.start, dt)
                varying = varying_inputs(epoch, trial, t, like, white)
                drive = sum((project(weights, *one) for one in varying.items()), constant)
                drive = torch.add(drive, noise.block(own, active), alpha=NOISE_SCALE)
                if current is not None:
                    drive = drive + current[:, :, first:last].permute(2, 0, 1, 3)
                states = chunk(rate, drive, w_rec_t, active[..., None] * alpha)
                skips.land(first, rate, states)
                rate, path = states[-1], path + states
                if record:
                    result.inputs.append(record_inputs(u, varying, sequences, last - first))
                # Without gradient, observe chunk by chunk, which frees the states; with it, whole segments.
                if last == end or not torch.is_grad_enabled():
                    observe(result, weights, segment, path, last - segment.start)
                    path = []
        if epoch.read:
            with torch.no_grad():
                reads = epoch.read(trial, outputs(readout(weights, rate[:, :, None])))
            forced = {name: value for name, value in (forced_reads or {}).items() if name in reads}
            trial.update(reads | {name: x[:, :, segment.trial, None, None] for name, x in forced.items()})
        if epoch.after:
            trial.update(epoch.after(trial))
    return result


def cuts(first: int, last: int, longest: int, landings):
    """Split the steps first .. last - 1 into chunks of at most `longest`; each landing ends a chunk."""
    for end in sorted({last, *(state for state in landings if first < state < last)}):
        for start in range(first, end, longest):
            yield start, min(start + longest, end)
        first = end


def inputs(epoch: Epoch, trial, like: Tensor) -> Tensor:
    """Return the constant input of an epoch, all channels in one tensor: (K', B, C), 0 without input."""
    values = epoch.input(trial) if epoch.input else {}
    shape = torch.broadcast_shapes((1, 1, 1), *(torch.as_tensor(v).shape[:-1] for v in values.values()))
    u = like.new_zeros(*shape, 9)
    for channel, value in values.items():
        u[..., INPUT[channel]] = value
    return u[:, :, 0]


def varying_inputs(epoch: Epoch, trial, t: Tensor, like: Tensor, white) -> dict[str, Tensor]:
    """Return the inputs that change from step to step, by channel: (K', B, T, C) each."""
    values = epoch.varying(trial, t, white) if epoch.varying else {}
    for channel, value in values.items():
        u = torch.as_tensor(value, dtype=like.dtype, device=like.device)
        size = INPUT[channel].stop - INPUT[channel].start
        values[channel] = u.expand(torch.broadcast_shapes(u.shape, (1, 1, len(t), size)))
    return values


def project(weights: dict[str, Tensor], channel: str, u: Tensor) -> Tensor:
    """Return W_in u for one channel: (K', B, T, C) to (T, K, B, N)."""
    drive = u.flatten(1, 2) @ weights["w_in"][..., INPUT[channel]].mT
    return drive.unflatten(1, u.shape[1:3]).permute(2, 0, 1, 3)


def record_inputs(u: Tensor, varying: dict[str, Tensor], sequences: int, steps: int) -> Tensor:
    """Return all inputs of some steps: (K', B, T, C)."""
    shapes = (v.shape[:3] for v in (u[:, :, None], *varying.values()))
    every = u[:, :, None].expand(*torch.broadcast_shapes((1, sequences, steps), *shapes), -1).clone()
    for channel, value in varying.items():
        every[..., INPUT[channel]] = value
    return every


def seconds(first: int, last: int, dt: float) -> Tensor:
    """Return first dt .. (last - 1) dt, (T, 1), rounded to picoseconds: 35 steps of 20 ms give 0.7 s."""
    return (torch.arange(first, last, dtype=torch.float64)[:, None] * dt * 1e12).round() / 1e12


# --- loss and score ----------------------------------------------------------------------------------


def observe(result: Result, weights: dict[str, Tensor], segment, path: list[Tensor], stop: int) -> None:
    """Add consecutive points to the sums.  path: their states.  stop: the segment's steps made so far."""
    epoch, trial = EPOCHS[segment.epoch], result.trials[segment.trial]
    if not (epoch.target or epoch.correct or result.record or segment.gradient):
        return
    key, first, states = (segment.trial, epoch.phase), stop - len(path), torch.stack(path, 2)
    if result.record:
        result.rates.append(states)
    lengths = torch.tensor(segment.lengths, device=states.device)[:, None]
    moving = (torch.arange(first, stop, device=states.device) < lengths).expand(states.shape[1], -1)
    if segment.gradient:
        amount = states.abs() * moving[..., None]
        result.rate_abs.add(amount.sum((1, 2, 3)), int(moving.sum()) * UNITS)
        amount = states.square() * moving[..., None]
        result.rate_square.add(amount.sum((1, 2, 3)), int(moving.sum()) * UNITS)
    grace = max(segment.grace - first, 0)
    if epoch.correct:
        result.steps[key] = result.steps[key] + moving.sum(1)
    if grace >= len(path) or not (epoch.target or epoch.correct):
        return
    x = readout(weights, states[:, :, grace:])
    t = seconds(first + grace + 1, stop + 1, result.dt)
    y = outputs(x)
    if epoch.target:
        weight = x.new_ones(*x.shape[:3], 1)
        if epoch.weight:
            weight = weight * torch.as_tensor(epoch.weight(trial, t)).to(x)
        counted = (weight != 0) & moving[:, grace:, None]
        for channel, value in epoch.target(trial, t).items():
            target = torch.as_tensor(value, dtype=x.dtype, device=x.device)
            if channel in ("choice",):
                log = torch.log_softmax(x[..., OUTPUT[channel]], -1)
                sums, error, units = result.entropies, -(target * log).sum(-1, keepdim=True), 1
            else:
                sums, error, units = result.errors, (y[channel] - target).square(), y[channel].shape[-1]
            error = torch.where(counted, weight * error.sum(-1, keepdim=True), 0.0)
            sums[key].add(error.sum((2, 3)), units * counted.sum((2, 3)))
    if epoch.correct:
        with torch.no_grad():
            right = epoch.correct(trial, y).to(x.device).expand(*x.shape[:3], 1)
        valid = moving[:, grace:]
        result.right[key].add((right[..., 0] & valid).sum(2).to(x.dtype), valid.sum(1))


def phase_mean(sums: dict, phase: str) -> Tensor:
    """Return the mean over a phase's points and units, then over trials and sequences with points: (K,)."""
    total, pairs = 0.0, 0.0
    for s in (s for (_, name), s in sums.items() if name == phase):
        count = torch.as_tensor(s.count).to(s.amount).expand_as(s.amount)
        total, pairs = total + (s.amount / count.clamp(min=1)).sum(1), pairs + (count > 0).sum(1)
    return total / pairs.clamp(min=1)


def loss(result: Result, weights: dict[str, Tensor]) -> Tensor:
    """Return the loss of each network, (K,).

    sum over phases of (mean squared error times weight + mean cross-entropy times weight) + 0.1 mean |r| +
    0.2 mean r^2 + 0.1 mean W_out^2
    """
    total = torch.zeros_like(weights["bias"][:, 0])
    for phase in PHASES:
        total = total + phase_mean(result.errors, phase)
        total = total + phase_mean(result.entropies, phase)
    total = total + 0.1 * result.rate_abs.amount / max(result.rate_abs.count, 1)
    total = total + 0.2 * result.rate_square.amount / max(result.rate_square.count, 1)
    total = total + 0.1 * weights["w_out"].square().mean((1, 2))
    return total


def correctness(result: Result, phase: str) -> Tensor:
    """Return the fraction of a phase's points that are correct: (K, B, trials), NaN without points."""
    sums = (result.right[trial, phase] for trial in range(TRIALS))
    fractions = torch.stack([s.amount / s.count for s in sums], -1)
    return torch.where(by_trial(result, scored), fractions, math.nan)


def by_trial(result: Result, judge) -> Tensor:
    """Return the truth value of a function for each trial: (K, B, trials)."""
    zero = result.right[0, PHASES[0]].amount
    judged = [judge(trial).to(zero.device).expand(*zero.shape, 1, 1) for trial in result.trials]
    return torch.cat(judged, 2)[..., 0]


def trial_performance(result: Result) -> Tensor:
    """Return the performance in each trial: (K, B, trials), NaN where nothing is scored.

    The mean correctness of its phases, weighted by the steps of their scored epochs, grace included.
    """
    right = torch.stack([correctness(result, phase) for phase in PHASES])
    steps = torch.zeros(len(PHASES), 1, *right.shape[2:]).to(right)
    for (trial, phase), count in result.steps.items():
        steps[PHASES.index(phase), ..., trial] = count
    share = torch.where(right.isnan(), 0.0, steps)
    return (right.nan_to_num() * share).sum(0) / share.sum(0)


def performance(result: Result) -> Tensor:
    """Return the performance of each network, (K,): the mean over scored trials and sequences."""
    return trial_performance(result).nanmean((1, 2))


def phase_performance(result: Result) -> dict[str, Tensor]:
    """Return the correctness of each scored phase by name, (K,) each."""
    return {phase: correctness(result, phase).nanmean((1, 2)) for phase in PHASES}


# --- the functions of the specification language -----------------------------------------------------


def number(value) -> Tensor:
    """Return a value in float64; truth values become 1 and 0."""
    return torch.as_tensor(value, dtype=torch.float64)


def constant(value: float) -> Tensor:
    """Return a number that all networks and sequences share."""
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def where(condition: Tensor, a, b) -> Tensor:
    """Return a where a condition is true, else b."""
    return torch.where(number(condition) != 0, number(a), number(b))


def pick(index: Tensor, *values) -> Tensor:
    """Return the value at an index, counted from 0."""
    result = number(values[-1])
    for place in reversed(range(len(values) - 1)):
        result = where(index == place, values[place], result)
    return result


COMBINATIONS = 3  # of the balanced patterns, dealt to the sequences of one batch after another
EVALUATE_EVERY = 10  # evaluations are dealt by themselves


def combination(trial) -> Tensor:
    """Return the combination of each sequence; a batch begins where the one before it ended: (B, 1, 1)."""
    iteration, training = trial.key[1] // 8, trial.key[1] % 8 == 2
    turn = iteration if training else -(-iteration // EVALUATE_EVERY)
    sequences = len(trial.sequences)
    whole, more = sequences // COMBINATIONS, sequences % COMBINATIONS
    place = trial.sequences // (whole + 1)
    # Equal ones are neighbours: the first `more` have whole + 1 sequences each, the others `whole`.
    place = torch.where(place < more, place, (trial.sequences - more) // max(whole, 1))
    return (turn * sequences + place) % COMBINATIONS


def deal(trial, patterns: list[list], span: int, period: int) -> Tensor:
    """Return the value for this trial of a variable whose patterns are crossed with those of others."""
    rest = combination(trial) % span
    pattern = (rest + rest // period) % len(patterns)
    return pick(pattern[None], *[row[trial.number] for row in patterns])


def uniform(words: tuple[Tensor, ...], low, high) -> Tensor:
    """Draw a number between two bounds."""
    return low + (high - low) * unit(words[0])


def exponential(words: tuple[Tensor, ...], mean, low, high) -> Tensor:
    """Draw from an exponential distribution truncated to low .. high.

    F(x) = (1 - exp(-(x - low) / mean)) / (1 - exp(-(high - low) / mean))
    """
    return low - mean * torch.log1p(unit(words[0]) * torch.expm1(number((low - high) / mean)))


def onehot(index, units: int) -> Tensor:
    """Return 1 for the unit at an index, counted from 0, and 0 for the others."""
    return number(number(index) == torch.arange(units))


def distance(a, b) -> Tensor:
    """Return the angle between two directions, from 0 to pi."""
    apart = torch.remainder(a - b, 2 * math.pi)
    return torch.minimum(apart, 2 * math.pi - apart)


def ring(angle, units: int, width: float = math.pi / 8) -> Tensor:
    """Return a bump around a direction: exp(-(d_i / width)^2 / 2), d_i the distance to 2 pi i / units."""
    psi = 2 * math.pi * torch.arange(units, dtype=torch.float64) / units
    return torch.exp(-0.5 * (distance(number(angle), psi) / width) ** 2)


def angle(vector: Tensor) -> Tensor:
    """Decode a direction: atan2(sum v_i sin psi_i, sum v_i cos psi_i), between 0 and 2 pi."""
    units = vector.shape[-1]
    psi = 2 * math.pi * torch.arange(units, dtype=vector.dtype, device=vector.device) / units
    cosine, sine = (vector @ torch.stack((psi.cos(), psi.sin()), -1)).split(1, -1)
    direction = torch.remainder(torch.atan2(sine, cosine), 2 * math.pi)
    # For a tiny negative angle, the remainder is rounded to exactly 2 pi.
    return direction.masked_fill_(direction >= 2 * math.pi, 0.0)


def argmax(vector: Tensor) -> Tensor:
    """Return the index of the largest unit, counted from 0."""
    return number(vector.argmax(-1, keepdim=True))


# --- random numbers ----------------------------------------------------------------------------------
#
# Every random number is a function of a key, (seed, 8 iteration + stream), and a counter, such as (step,
# unit, sequence, network).  There is no generator state, so network k gets the same numbers alone as in an
# ensemble.

WORD = 0xFFFFFFFF  # 32 bits; as the number of a network or trial: shared by all
EVERY_TRIAL = WORD


class Trial:
    """One trial of all sequences: its variables by name, and the random words of its draws."""

    def __init__(self, number: int, before, key: tuple[int, int], networks: Tensor, sequences: int):
        self.number, self.before, self.key, self.values = number, before, key, {}
        self.networks = torch.tensor(WORD).view(1, 1, 1, 1)
        self.sequences = torch.arange(sequences).view(-1, 1, 1)

    def __getitem__(self, name: str) -> Tensor:
        return self.values[name]

    def update(self, values: dict[str, Tensor]) -> None:
        """Store variables: (K', B, 1, 1) each, converted to float64 on the CPU."""
        self.values |= {name: value.to("cpu", torch.float64) for name, value in values.items()}

    def previous(self, name: str, initial) -> Tensor:
        """Return a variable of the preceding trial; in the first trial, an initial value."""
        return torch.as_tensor(initial, dtype=torch.float64) if self.before is None else self.before[name]

    def words(self, call: int, trial: int | None = None) -> tuple[Tensor, ...]:
        """Return the four random words of one random call of the spec: (K', B, 1, 1) each."""
        trial = self.number if trial is None else trial
        counter = torch.tensor(call), torch.tensor(trial), self.sequences
        return philox(*counter, self.networks, self.key)


def draw_trials(key: tuple[int, int], networks: Tensor, sequences: int) -> list[Trial]:
    """Draw the trials of all sequences: the variables that are known before the simulation."""
    trials: list[Trial] = []
    for number in range(TRIALS):
        trials.append(Trial(number, trials[-1] if trials else None, key, networks, sequences))
        trials[-1].update(draw(trials[-1]))
    return trials


class Noise:
    """Ornstein-Uhlenbeck noise: eta(s) = (1 - dt/tau) eta(s-1) + sqrt(2 dt/tau) xi(s), eta(0) = xi."""

    def __init__(self, key: tuple[int, int], networks: Tensor, sequences: int, dt: float, like: Tensor):
        self.key, self.like, self.networks = key, like, networks.to(like.device).view(-1, 1, 1)
        self.sequences = torch.arange(sequences, device=like.device).view(-1, 1)
        self.groups = torch.arange(2, device=like.device)  # of four units
        # The most steps drawn at once: a block that fits into the processor's cache is fastest.
        self.longest = max(1, min(64, 100_000 // (len(networks) * sequences * len(self.groups))))
        self.keep, self.gain, self.eta = 1 - dt / NOISE_TAU, math.sqrt(2 * dt / NOISE_TAU), like.new_zeros(())

    @torch.no_grad()
    def block(self, steps: Tensor, active: Tensor) -> Tensor:
        """Return the noise in consecutive steps, (T, K, B, N).

        steps: (T, B), counted in each sequence.  active: (T, B), False while a sequence waits: its noise does
        not change.
        """
        eta = self.draw(steps.masked_fill(steps == 0, WORD))
        moves, starts = (flag.to(eta)[:, None, :, None] for flag in (active, steps == 0))
        gain = moves * (starts + (1 - starts) * self.gain)
        keep = (1 - moves) + moves * (1 - starts) * self.keep
        for now, share in zip(eta.mul_(gain).unbind(0), keep.unbind(0)):
            self.eta = now.add_(share * self.eta)
        return eta

    def draw(self, steps: Tensor) -> Tensor:
        """Return standard normal numbers: (T, B) to (T, K, B, N)."""
        words = philox(steps[:, None, :, None], self.groups, self.sequences, self.networks, self.key)
        return normals(words, self.like.dtype).flatten(-2)[..., :UNITS]


class White:
    """White noise for inputs: N(0, 1) / sqrt(dt / 1 s) at every step.  steps: (B, T), set before use."""

    def __init__(self, key: tuple[int, int], networks: Tensor, sequences: int, dt: float):
        self.key, self.dt, self.steps = key, dt, torch.empty(0)
        self.networks = torch.tensor(WORD).view(1, 1, 1, 1)
        self.sequences = torch.arange(sequences).view(-1, 1, 1)

    def __call__(self, call: int, channel: str) -> Tensor:
        """Return the noise of one call of white(1) for the units of a channel: (K', B, T, C)."""
        start, stop = INPUT[channel].start, INPUT[channel].stop
        groups = call * 2**16 + torch.arange(start // 4, -(-stop // 4))  # of four columns of W_in
        words = philox(self.steps[..., None], groups, self.sequences, self.networks, self.key)
        fresh = normals(words).flatten(-2)
        return fresh[..., start % 4 : start % 4 + stop - start] / math.sqrt(self.dt)


def philox(c0: Tensor, c1: Tensor, c2: Tensor, c3: Tensor, key: tuple[int, int]) -> tuple[Tensor, ...]:
    """Turn a counter of four 32-bit words into four random words: Philox4x32-10 (Salmon et al. 2011).

    The words are int64 and broadcast.  Each round combines pairs of words, so the full shape is reached only
    after three rounds; the later rounds work in place.
    """
    k0, k1 = key
    for turn in range(10):
        if turn < 3:
            p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
            c0, c2 = (p1 >> 32) ^ c1, (p0 >> 32) ^ c3
        else:
            p0, p1 = c0.mul_(0xD2511F53), c2.mul_(0xCD9E8D57)
            c0, c2 = (p1 >> 32).bitwise_xor_(c1), (p0 >> 32).bitwise_xor_(c3)
        # Only the factors of the next round must be cut to 32 bits; higher bits of c1 and c3 do no harm.
        c0, c2 = c0.bitwise_xor_(k0).bitwise_and_(WORD), c2.bitwise_xor_(k1).bitwise_and_(WORD)
        c1, c3 = p1, p0
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return c0, c1, c2, c3


def unit(word: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Turn the lower 32 bits w of words into numbers in (0, 1): ((w >> 8) + 1/2) 2^-24."""
    bits = word.to(torch.int32).bitwise_right_shift_(8).bitwise_and_(0xFFFFFF)
    return bits.to(dtype).add_(0.5).mul_(2.0**-24)


def normals(words: tuple[Tensor, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """Turn four random words into four standard normal numbers (Box-Muller), along a new last axis."""
    numbers = torch.empty(*words[0].shape, 4, dtype=dtype, device=words[0].device)
    for place, (first, second) in ((0, words[:2]), (2, words[2:])):
        radius = unit(first, dtype).log_().mul_(-2).sqrt_()
        angle = unit(second, dtype).mul_(2 * math.pi)
        numbers[..., place] = angle.cos().mul_(radius)
        numbers[..., place + 1] = angle.sin_().mul_(radius)
    return numbers


# --- one batch of random networks --------------------------------------------------------------------


def random_weights(networks: int, seed: int = 0) -> dict[str, Tensor]:
    """Draw initial weights with torch's generator; they are 0 where no connection exists."""
    torch.manual_seed(seed)
    w_rec = 0.2 * torch.randn(networks, 8, 8)
    w_in = 0.3 * torch.randn(networks, 8, 9)
    w_in[:, 4:8, 0:9] = 0
    w_out = 0.5 * torch.randn(networks, 11, 8)
    w_out[:, 0:11, 0:4] = 0
    bias = torch.zeros(networks, 8, 1)[..., 0]
    readout_bias = torch.zeros(networks, 11)
    return {"w_rec": w_rec, "w_in": w_in, "w_out": w_out, "bias": bias, "readout_bias": readout_bias}


if __name__ == "__main__":
    with torch.no_grad():
        weights = random_weights(networks=4)
        result = simulate(weights, sequences=20)
        print("loss       ", *(f"{value:.4f}" for value in loss(result, weights)))
        print("performance", *(f"{value:.4f}" for value in performance(result)))
