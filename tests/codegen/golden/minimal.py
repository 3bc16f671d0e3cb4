"""minimal: Hold, look at a direction, then report it.

The task, the network, the loss and the score, in plain PyTorch.  Running `python graph.py` simulates one
batch with random networks; it needs torch alone.

    tau dr/dt = -r + f(W_rec r + b + W_in u),  f(x) = max(x, 0)
    y = g(W_out r),  g(x) = 1 / (1 + exp(-x))

populations   input 0:4 (tau 100 ms), output 4:8 (tau 100 ms)
inputs        cue to input, stimulus to input
outputs       fixation from output, saccade from output
trial         fixation 200 ms, stimulus 400 ms +- 40 ms, response 400 ms

Axes, always in this order: networks K, sequences B, steps T, units N, channels C.  K' is K, or 1 for values
that all networks share.  A sequence is one trial.
"""

import math

import torch
from torch import Tensor

DT = 0.02  # seconds per step
UNITS = 8
POPULATIONS = {"input": slice(0, 4), "output": slice(4, 8)}
TAU = torch.tensor([0.1] * 8, dtype=torch.float64)  # seconds, of each unit
INPUT = {"cue": slice(0, 1), "stimulus": slice(1, 9)}  # columns of W_in
OUTPUT = {"fixation": slice(0, 1), "saccade": slice(1, 9)}  # rows of W_out
TRIALS = 1  # in a sequence
PHASES = ("hold", "respond")  # of a trial


# --- the task ----------------------------------------------------------------------------------------
#
# Every value has the axes (K', B, T, C).  An axis along which it is constant has length 1, and values
# broadcast.  trial: the variables of a trial, by name.  y: the outputs by channel.


def draw(trial):
    """Draw the variables of a trial that depend on no read."""
    direction = uniform(trial.words(0x9C3CA344), 0, 2 * math.pi)
    return {"direction": direction}


def input_fixation(trial):
    """The input throughout fixation, by channel."""
    return {"cue": 1}


def target_fixation(trial):
    """The target outputs in fixation and stimulus, by channel."""
    return {"fixation": 0.85, "saccade": 0.05}


def correct_fixation(trial, y):
    """Whether a point of fixation and stimulus is correct."""
    fixation = y["fixation"]
    return fixation > 0.5


def input_stimulus(trial):
    """The input throughout stimulus, by channel."""
    direction = trial["direction"]
    return {"cue": 1, "stimulus": ring(direction, 8)}


def input_response(trial):
    """The input throughout response, by channel."""
    return {"cue": 0}


def target_response(trial):
    """The target outputs in response, by channel."""
    direction = trial["direction"]
    return {"fixation": 0.05, "saccade": 0.05 + 0.8 * ring(direction, 8)}


def correct_response(trial, y):
    """Whether a point of response is correct."""
    fixation, saccade = y["fixation"], y["saccade"]
    direction = trial["direction"].to(fixation)
    return (fixation < 0.5) & (distance(angle(saccade), direction) < 0.2 * math.pi)


class Epoch:
    """A part of a trial.  steps: at its mean duration.  grace: first steps without loss or score."""

    def __init__(self, name, phase, steps, grace, gradient, input=None, target=None, correct=None):
        self.name, self.phase, self.steps, self.grace, self.gradient = name, phase, steps, grace, gradient
        self.input = input
        self.target = target
        self.correct = correct


EPOCHS = [
    # name, phase, steps, grace, gradient, input, target, correct
    Epoch("fixation", "hold", 10, 0, True, input_fixation, target_fixation, correct_fixation),
    Epoch("stimulus", "hold", 20, 0, True, input_stimulus, target_fixation, correct_fixation),
    Epoch("response", "respond", 20, 5, True, input_response, target_response, correct_response),
]


# --- the network -------------------------------------------------------------------------------------


def step(rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> Tensor:
    """Advance the rates by one step of length dt (forward Euler).

    r' = r + alpha (-r + f(W_rec r + drive)),  alpha = dt/tau,  f(x) = max(x, 0)

    rate, drive: (K, B, N).  w_rec_t: (K, N, N), W_rec transposed.  alpha: (N).
    """
    total = torch.baddbmm(drive, rate, w_rec_t)
    return torch.lerp(rate, torch.relu(total), alpha)


def chunk(rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> list[Tensor]:
    """Advance the rates by T steps and return the T new states, (K, B, N) each.

    drive: (T, K, B, N).  `step` and `chunk` work with torch.compile, torch.export and torch.jit.script.
    """
    states: list[Tensor] = []
    for now in drive.unbind(0):
        rate = step(rate, now, w_rec_t, alpha)
        states.append(rate)
    return states


def readout(weights: dict[str, Tensor], states: Tensor) -> Tensor:
    """Return x = W_out r of states: (K, B, T, N) to (K, B, T, C)."""
    x = torch.bmm(states.flatten(1, 2), weights["w_out"].mT)
    return x.unflatten(1, states.shape[1:3])


def outputs(x: Tensor) -> dict[str, Tensor]:
    """Return the outputs y = g(x) by channel: (K, B, T, C) each."""
    return dict(zip(OUTPUT, torch.sigmoid(x).split([1, 8], -1)))


# --- the simulation ----------------------------------------------------------------------------------


class Segment:
    """An epoch of one trial: the steps start .. start + steps - 1.

    epoch: its index in EPOCHS.  grace: the number of first steps without loss or score.  gradient: whether
    its states carry gradient.
    """

    def __init__(self, epoch, trial, start, steps, grace, gradient):
        self.epoch, self.trial, self.start, self.steps = epoch, trial, start, steps
        self.grace, self.gradient = grace, gradient


class MeanTimetable:
    """The segments of mean durations; any object with these attributes can replace it."""

    landings = ()

    def __init__(self):
        self.segments, start = [], 0
        order = [(trial, epoch) for trial in range(TRIALS) for epoch in range(3)]
        for trial, number in order:
            e = EPOCHS[number]
            span = start, e.steps, e.grace, e.gradient
            self.segments.append(Segment(number, trial, *span))
            start += e.steps


class Result:
    """Sums over the points of a batch, by trial and phase; a point is the state after one step."""

    def __init__(self, trials: list, rate: Tensor, dt: float, record: bool):
        self.trials, self.dt, self.record = trials, dt, record
        zero, keys = rate.new_zeros(rate.shape[:2]), [(n, phase) for n in range(TRIALS) for phase in PHASES]
        self.errors = {key: Sum(zero) for key in keys}
        self.right, self.steps = {key: Sum(zero) for key in keys}, dict.fromkeys(keys, 0)
        self.rate_abs = Sum(zero[:, 0])
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
    seed: int = 0,
    iteration: int = 0,
    evaluation: bool = False,
    first_network: int = 0,
    initial: Tensor | None = None,
    current: Tensor | None = None,
    record: bool = False,
) -> Result:
    """Simulate one batch of trials with an ensemble of networks.

    weights: effective weights w_rec (K, N, N), where [k, i, j] is from unit j to unit i, w_in (K, N, C),
    w_out (K, C, N), bias (K, N).  timetable: by default a MeanTimetable.  dt: seconds per step.  seed,
    iteration, evaluation: select the random numbers.  first_network: the number of network 0 in a larger
    ensemble.  initial: the state before the first step, (K, B, N), 0 by default.  current: added to the drive
    of each step, (K, B, T, N).  record: store rates and inputs.
    """
    timetable = timetable or MeanTimetable()
    like, w_rec_t = weights["bias"], weights["w_rec"].mT
    networks = torch.arange(first_network, first_network + len(like))
    key = 8 * iteration + (5 if evaluation else 0)
    trials = draw_trials((seed, key + 2), networks, sequences)
    alpha, rate = (dt / TAU).to(like), like.new_zeros(len(like), sequences, UNITS)
    rate = rate if initial is None else rate + initial
    result, learn = Result(trials, rate, dt, record), torch.is_grad_enabled()
    for segment in timetable.segments:
        epoch, trial = EPOCHS[segment.epoch], trials[segment.trial]
        with torch.set_grad_enabled(learn and segment.gradient):
            u = inputs(epoch, trial, like)
            constant, path = weights["bias"][:, None] + u @ weights["w_in"].mT, []
            end = segment.start + segment.steps
            for first, last in cuts(segment.start, end, 64):
                drive = constant.expand(last - first, -1, sequences, -1)
                if current is not None:
                    drive = drive + current[:, :, first:last].permute(2, 0, 1, 3)
                states = chunk(rate, drive, w_rec_t, alpha)
                rate, path = states[-1], path + states
                if record:
                    result.inputs.append(u[:, :, None].expand(-1, sequences, last - first, -1))
                # Without gradient, observe chunk by chunk, which frees the states; with it, whole segments.
                if last == end or not torch.is_grad_enabled():
                    observe(result, weights, segment, path, last - segment.start)
                    path = []
    return result


def cuts(first: int, last: int, longest: int):
    """Split the steps first .. last - 1 into chunks of at most `longest`."""
    for start in range(first, last, longest):
        yield start, min(start + longest, last)


def inputs(epoch: Epoch, trial, like: Tensor) -> Tensor:
    """Return the constant input of an epoch, all channels in one tensor: (K', B, C), 0 without input."""
    values = epoch.input(trial) if epoch.input else {}
    shape = torch.broadcast_shapes((1, 1, 1), *(torch.as_tensor(v).shape[:-1] for v in values.values()))
    u = like.new_zeros(*shape, 9)
    for channel, value in values.items():
        u[..., INPUT[channel]] = value
    return u[:, :, 0]


# --- loss and score ----------------------------------------------------------------------------------


def observe(result: Result, weights: dict[str, Tensor], segment, path: list[Tensor], stop: int) -> None:
    """Add consecutive points to the sums.  path: their states.  stop: the segment's steps made so far."""
    epoch, trial = EPOCHS[segment.epoch], result.trials[segment.trial]
    if not (epoch.target or epoch.correct or result.record or segment.gradient):
        return
    key, first, states = (segment.trial, epoch.phase), stop - len(path), torch.stack(path, 2)
    if result.record:
        result.rates.append(states)
    if segment.gradient:
        result.rate_abs.add(states.abs().sum((1, 2, 3)), states[0].numel())
    grace = max(segment.grace - first, 0)
    if epoch.correct:
        result.steps[key] = result.steps[key] + len(path)
    if grace >= len(path) or not (epoch.target or epoch.correct):
        return
    x = readout(weights, states[:, :, grace:])
    y = outputs(x)
    if epoch.target:
        for channel, value in epoch.target(trial).items():
            target = torch.as_tensor(value, dtype=x.dtype, device=x.device)
            sums, error, units = result.errors, (y[channel] - target).square(), y[channel].shape[-1]
            sums[key].add(error.sum((2, 3)), units * x.shape[2])
    if epoch.correct:
        with torch.no_grad():
            right = epoch.correct(trial, y).to(x.device).expand(*x.shape[:3], 1)
        result.right[key].add(right.sum((2, 3)).to(x.dtype), x.shape[2])


def phase_mean(sums: dict, phase: str) -> Tensor:
    """Return the mean over a phase's points and units, then over trials and sequences with points: (K,)."""
    means = [(s.amount / s.count).mean(1) for (_, name), s in sums.items() if name == phase and s.count]
    return sum(means) / max(len(means), 1)


def loss(result: Result, weights: dict[str, Tensor]) -> Tensor:
    """Return the loss of each network, (K,).

    sum over phases of mean squared error
    """
    total = torch.zeros_like(weights["bias"][:, 0])
    for phase in PHASES:
        total = total + phase_mean(result.errors, phase)
    return total


def correctness(result: Result, phase: str) -> Tensor:
    """Return the fraction of a phase's points that are correct: (K, B, trials), NaN without points."""
    sums = (result.right[trial, phase] for trial in range(TRIALS))
    return torch.stack([s.amount / s.count for s in sums], -1)


def trial_performance(result: Result) -> Tensor:
    """Return the performance in each trial: (K, B, trials), NaN where nothing is scored.

    The mean correctness of its phases, weighted by the steps of their scored epochs, grace included.
    """
    right = torch.stack([correctness(result, phase) for phase in PHASES])
    steps = [[result.steps[trial, phase] for trial in range(TRIALS)] for phase in PHASES]
    share = torch.where(right.isnan(), 0.0, right.new_tensor(steps)[:, None, None])
    return (right.nan_to_num() * share).sum(0) / share.sum(0)


def performance(result: Result) -> Tensor:
    """Return the performance of each network, (K,): the mean over trials and sequences."""
    return trial_performance(result).nanmean((1, 2))


def phase_performance(result: Result) -> dict[str, Tensor]:
    """Return the correctness of each scored phase by name, (K,) each."""
    return {phase: correctness(result, phase).nanmean((1, 2)) for phase in PHASES}


# --- the functions of the specification language -----------------------------------------------------


def number(value) -> Tensor:
    """Return a value in float64; truth values become 1 and 0."""
    return torch.as_tensor(value, dtype=torch.float64)


def uniform(words: tuple[Tensor, ...], low, high) -> Tensor:
    """Draw a number between two bounds."""
    return low + (high - low) * unit(words[0])


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


# --- random numbers ----------------------------------------------------------------------------------
#
# Every random number is a function of a key, (seed, 8 iteration + stream), and a counter, such as (step,
# unit, sequence, network).  There is no generator state, so network k gets the same numbers alone as in an
# ensemble.

WORD = 0xFFFFFFFF  # 32 bits; as the number of a network or trial: shared by all


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

    def words(self, call: int) -> tuple[Tensor, ...]:
        """Return the four random words of one random call of the spec: (K', B, 1, 1) each."""
        counter = torch.tensor(call), torch.tensor(self.number), self.sequences
        return philox(*counter, self.networks, self.key)


def draw_trials(key: tuple[int, int], networks: Tensor, sequences: int) -> list[Trial]:
    """Draw the trials of all sequences: the variables that are known before the simulation."""
    trials: list[Trial] = []
    for number in range(TRIALS):
        trials.append(Trial(number, trials[-1] if trials else None, key, networks, sequences))
        trials[-1].update(draw(trials[-1]))
    return trials


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
    w_rec = 0.3535533905932738 * torch.randn(networks, 8, 8)
    w_in = 0.3333333333333333 * torch.randn(networks, 8, 9)
    w_in[:, 4:8, 0:9] = 0
    w_out = 0.5 * torch.randn(networks, 9, 8)
    w_out[:, 0:9, 0:4] = 0
    bias = torch.zeros(networks, 8, 1)[..., 0]
    return {"w_rec": w_rec, "w_in": w_in, "w_out": w_out, "bias": bias}


if __name__ == "__main__":
    with torch.no_grad():
        weights = random_weights(networks=4)
        result = simulate(weights, sequences=20)
        print("loss       ", *(f"{value:.4f}" for value in loss(result, weights)))
        print("performance", *(f"{value:.4f}" for value in performance(result)))
