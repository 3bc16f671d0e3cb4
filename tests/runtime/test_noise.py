"""Random numbers: published answers, and every process computed again with plain numbers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from known_answers import KNOWN
from runtime.builders import batch, epoch, ms, network, program
from torch import Tensor

from rnnspec.program.nodes import Noise, Population, Program
from rnnspec.runtime import noise
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.noise import INITIAL, SHARED, Key, Stream, Words, philox

MAX = 2**32 - 1


def noisy(kind: Any, tau: float = 20, scale: float = 0.3, units: int = 6, **changes: Any) -> Program:
    process = Noise((), kind, scale, ms(tau))
    return program(net=network(units, noise=process, **changes))


def normal(counter: tuple[int, int, int, int], key: tuple[int, int], number: int) -> float:
    """Return a normal number the long way: Box-Muller of one pair of words, with plain floats."""
    words = philox(counter, key)
    first, second = words[number // 2 * 2 : number // 2 * 2 + 2]
    radius = math.sqrt(-2 * math.log((first // 256 + 0.5) / 2**24))
    angle = 2 * math.pi * (second // 256 + 0.5) / 2**24
    return radius * (math.cos(angle) if number % 2 == 0 else math.sin(angle))


# --- words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter: Words[int], key: Key, answer: Words[int]) -> None:
    assert philox(counter, key) == answer
    c0, c1, c2, c3 = (torch.tensor([word, word]) for word in counter)
    tensors = philox((c0, c1, c2, c3), key)
    assert [word.tolist() for word in tensors] == [[word, word] for word in answer]


def test_philox_broadcasts_and_equals_its_scalar_self() -> None:
    c0, c1 = torch.arange(5), torch.tensor([[7], [MAX]])
    words = philox((c0, c1, torch.tensor(3), torch.tensor(SHARED)), (1, MAX))
    assert words[0].shape == (2, 5)
    for i in range(2):
        for j in range(5):
            expected = philox((j, int(c1[i]), 3, SHARED), (1, MAX))
            assert tuple(int(word[i, j]) for word in words) == expected


@pytest.mark.parametrize("key", [(-1, 0), (0, 2**32), (2**40, 0)])
def test_keys_that_are_no_words_are_refused(key: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a pair of 32-bit words"):
        philox((0, 0, 0, 0), key)


def test_uniforms() -> None:
    words = torch.tensor([0, 255, 256, 2**31, MAX])
    expected = [2**-25, 2**-25, 3 * 2**-25, 0.5 + 2**-25, 1 - 2**-25]
    assert noise.uniforms(words).tolist() == expected
    assert [noise.uniform(int(word)) for word in words] == expected
    # Below 1/2 float32 is exact, above it is on the grid of 2^-24.
    single = noise.uniforms(words, torch.float32)
    assert single.tolist() == [2**-25, 2**-25, 3 * 2**-25, 0.5, 1.0]


def test_normals_are_finite_for_all_words_in_both_precisions() -> None:
    ends = torch.tensor([0, 1, 255, 2**31, MAX - 256, MAX])
    w0, w1, w2, w3 = torch.meshgrid(ends, ends, ends, ends, indexing="ij")
    for dtype in (torch.float64, torch.float32):
        for numbers in noise.normals((w0, w1, w2, w3), dtype):
            assert numbers.dtype == dtype
            assert bool(numbers.isfinite().all())
            assert numbers.abs().max() < 6  # sqrt(-2 ln 2^-25) = 5.9


def test_normals_are_box_muller() -> None:
    counter, key = (5, 6, 7, 8), (9, 10)
    c0, c1, c2, c3 = (torch.tensor(word) for word in counter)
    words = philox((c0, c1, c2, c3), key)
    for number, value in enumerate(noise.normals(words)):
        assert float(value) == pytest.approx(normal(counter, key, number), abs=1e-14)
    for exact, rounded in zip(noise.normals(words), noise.normals(words, torch.float32), strict=True):
        assert float(rounded) == pytest.approx(float(exact), abs=1e-5)


def test_normals_have_the_moments_and_independence_of_normal_numbers() -> None:
    n = 100_000
    zero = torch.tensor(0)
    numbers = torch.stack(noise.normals(philox((torch.arange(n), zero, zero, zero), (3, 4))))
    error = 5 / math.sqrt(n)
    assert numbers.mean(1).abs().max() < error
    assert (numbers.var(1) - 1).abs().max() < error * math.sqrt(2)
    assert ((numbers**4).mean(1) - 3).abs().max() < error * math.sqrt(96)
    assert (numbers.corrcoef() - torch.eye(4)).abs().max() < error


def test_purposes() -> None:
    assert [int(p) for p in Stream] == [0, 1, 2, 3, 4, 5, 6, 7]
    trained, judged = batch(), batch(purpose="evaluate")
    assert [noise.key(trained, p) for p in (Stream.NOISE, Stream.WHITE, Stream.DRAWS, Stream.JITTER)] == [
        (7, 88), (7, 89), (7, 90), (7, 91),
    ]  # fmt: skip
    assert [noise.key(judged, p) for p in (Stream.NOISE, Stream.WHITE, Stream.DRAWS)] == [
        (7, 93), (7, 94), (7, 95),
    ]  # fmt: skip
    assert noise.key(batch(purpose="simulate", iteration=2**29 - 2), Stream.NOISE) == (7, 2**32 - 16 + 5)


# --- jitter ------------------------------------------------------------------------------------------


def test_jitter_is_whole_base_steps_between_its_bounds() -> None:
    # J: 12 ms of 5 ms is 2; 0; 4 ms is 0.
    spec = program(epoch("a", 50, jitter=12), epoch("b", 50), epoch("c", 50, jitter=4), trials=2)
    seen = set()
    for iteration in range(200):
        drawn = noise.jitter(spec, batch(iteration=iteration))
        assert drawn is not None
        assert len(drawn) == 6
        assert drawn[1::3] == drawn[2::3] == (0, 0)
        seen.add((drawn[0], drawn[3]))
    # Both trials take all of -2..2, apart from each other.
    assert seen == {(i, j) for i in range(-2, 3) for j in range(-2, 3)}


def test_jitter_is_uniform_ends_included() -> None:
    spec = program(epoch("a", 50, jitter=10))
    drawn = [noise.jitter(spec, batch(iteration=i)) for i in range(5000)]
    for value in range(-2, 3):
        assert abs(drawn.count((value,)) - 1000) < 5 * math.sqrt(5000 * 0.2 * 0.8)


def test_jitter_is_keyed_by_the_place_in_the_sequence() -> None:
    spec = program(epoch("a", 50), epoch("b", 500, jitter=100), trials=2, burn_in=50)
    words = [philox((index, 0, 0, SHARED), (7, 8 * 11 + 3))[0] for index in (1, 3)]
    first, second = (math.floor(41 * ((word >> 8) + 0.5) / 2**24) - 20 for word in words)
    assert noise.jitter(spec, batch()) == (0, first, 0, second)
    # It is the batch's: neither its size, nor the networks, nor theta change it.
    assert noise.jitter(spec, batch(1, first_network=5, theta=4)) == (0, first, 0, second)


def test_no_jitter_where_there_is_none() -> None:
    assert noise.jitter(program(epoch("a", 50)), batch()) is None
    jittered = program(epoch("a", 50, jitter=10))
    assert noise.jitter(jittered, batch(purpose="evaluate")) is None
    assert noise.jitter(jittered, batch(purpose="simulate")) is None


# --- the noise of units ------------------------------------------------------------------------------


def at(step: int, unit: int, sequence: int, net: int, purpose: int = 0) -> float:
    return normal((step, unit // 4, sequence, net), (7, 8 * 11 + purpose), unit % 4)


@pytest.mark.parametrize("theta", [1, 2])
def test_ornstein_uhlenbeck_noise_by_hand(theta: int) -> None:
    # a = dt theta / tau = 5 theta / 20; eta(0) from step 2^32 - 1, then xi(1), xi(2).
    a = 0.25 * theta
    values = noise.process_noise(noisy("ou"), batch(theta=theta, first_network=40), 3, 2)
    assert values is not None
    assert values.shape == (2, 3, 3, 6)
    for k, b, unit in [(0, 0, 0), (1, 2, 3), (0, 1, 5)]:
        eta = at(INITIAL, unit, b, 40 + k)
        for step in range(3):
            assert float(values[k, b, step, unit]) == pytest.approx(0.3 * eta, abs=1e-13)
            eta = (1 - a) * eta + math.sqrt(2 * a) * at(step + 1, unit, b, 40 + k)


@pytest.mark.parametrize("theta", [1, 2.5])
def test_white_noise_by_hand(theta: float) -> None:
    halves = (Population((), "slow", 0, 4, ms(100), None), Population((), "fast", 4, 6, ms(20), None))
    spec = noisy("white", populations=halves)
    values = noise.process_noise(spec, batch(theta=theta), 3, 2)
    assert values is not None
    for unit, tau in [(0, 100), (3, 100), (4, 20), (5, 20)]:
        expected = 0.3 * math.sqrt(2 * tau / (5 * theta)) * at(2, unit, 1, 1)
        assert float(values[1, 1, 2, unit]) == pytest.approx(expected, abs=1e-12)


def test_no_noise() -> None:
    assert noise.process_noise(noisy("none"), batch(), 3, 2) is None
    step = next(noise.noise_steps(noisy("none"), batch(), 2))
    assert step.shape == (2, 3, 6)
    assert not step.any()


def test_noise_steps_are_process_noise() -> None:
    spec = noisy("ou")
    whole = noise.process_noise(spec, batch(), 5, 2, torch.float32)
    assert whole is not None
    assert whole.dtype == torch.float32
    for step, values in zip(range(5), noise.noise_steps(spec, batch(), 2, torch.float32), strict=False):
        assert torch.equal(values, whole[:, :, step])


def test_evaluation_has_noise_of_its_own() -> None:
    values = noise.process_noise(noisy("ou"), batch(purpose="evaluate"), 1, 1)
    assert values is not None
    assert float(values[0, 0, 0, 0]) == pytest.approx(0.3 * at(INITIAL, 0, 0, 0, purpose=5), abs=1e-13)


def test_float32_noise_is_float64_noise_rounded() -> None:
    exact = noise.process_noise(noisy("ou"), batch(20), 50, 5)
    rounded = noise.process_noise(noisy("ou"), batch(20), 50, 5, torch.float32)
    assert exact is not None
    assert rounded is not None
    # Near u = 1 float32's R = sqrt(-2 ln u) loses digits; these are 30,000 numbers of size 0.3.
    assert (exact - rounded).abs().max() < 1e-5


def test_ornstein_uhlenbeck_variance_and_autocorrelation() -> None:
    # eta(s+1) = (1 - a) eta(s) + sqrt(2 a) xi: variance v -> (1 - a)^2 v + 2 a, from 1 to 1 / (1 - a / 2);
    # the covariance of steps s and s + l is (1 - a)^l v(s).
    a, samples = 0.25, 400 * 8 * 8
    values = noise.process_noise(noisy("ou", scale=1.0, units=8), batch(400), 31, 8)
    assert values is not None
    flat = values.transpose(2, 3).reshape(samples, 31)
    variance = 1.0
    for step in range(31):
        measured = float((flat[:, step] ** 2).mean())
        assert measured == pytest.approx(variance, abs=4.5 * variance * math.sqrt(2 / samples))
        variance = (1 - a) ** 2 * variance + 2 * a
    stationary = 1 / (1 - a / 2)
    assert variance == pytest.approx(stationary, abs=1e-6)
    for lag in range(1, 11):
        measured = float((flat[:, 20] * flat[:, 20 + lag]).mean())
        assert measured == pytest.approx(
            stationary * (1 - a) ** lag, abs=4.5 * stationary * math.sqrt(2 / samples)
        )


def test_the_units_sequences_and_networks_are_independent() -> None:
    values = noise.process_noise(noisy("ou", scale=1.0, units=6), batch(50), 400, 4)
    assert values is not None
    apart = values[:, :, ::40]  # ten steps, 0.75^40 = 1e-5 of correlation left between them
    for axis in range(4):
        rows = apart.movedim(axis, 0).flatten(1)
        off = rows.corrcoef() - torch.eye(len(rows))
        assert off.abs().max() < 5.5 / math.sqrt(rows.shape[1])


# --- the same numbers for any size -------------------------------------------------------------------


def words(which: str, asked: Batch, networks: int) -> Tensor:
    """Return uniform numbers, which are exact and so show whether the integers are equal."""
    if which == "draws":
        return torch.stack(noise.draw_words(asked, 12345, range(3), networks))
    kept: list[Tensor] = []
    original = noise.normals

    def keeping(found: Words[Tensor], dtype: torch.dtype) -> Words[Tensor]:
        kept.append(torch.stack(found))
        return original(found, dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "normals", keeping)
        if which == "white":
            noise.white_input(program(), asked, 1, range(2, 7), torch.arange(5), networks)
        else:
            noise.process_noise(noisy("ou"), asked, 4, networks)
    # Axes networks and sequences first, as they are for draws behind the four words.
    return torch.stack(kept)


@pytest.mark.parametrize("which", ["noise", "white", "draws"])
def test_a_network_alone_is_that_network_of_a_hundred(which: str) -> None:
    together = words(which, batch(5), 100)
    alone = words(which, batch(5, first_network=37), 1)
    axis = together.shape.index(100)
    assert torch.equal(together.narrow(axis, 37, 1), alone)
    assert not torch.equal(together.narrow(axis, 36, 1), alone)


@pytest.mark.parametrize("which", ["noise", "white", "draws"])
def test_a_sequence_does_not_depend_on_how_many_there_are(which: str) -> None:
    few, many = words(which, batch(2), 3), words(which, batch(19), 3)
    assert torch.equal(few, many.narrow(many.shape.index(19), 0, 2))


def test_iterations_seeds_and_purposes_differ() -> None:
    seen = [
        words("noise", asked, 1).flatten().tolist()
        for asked in (
            batch(),
            batch(iteration=12),
            batch(seed=8),
            batch(purpose="evaluate"),
            batch(first_network=1),
        )
    ]
    every = [word for one in seen for word in set(one)]
    assert len(every) == len(set(every))


# --- white inputs and draws --------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [1, 4])
def test_white_input_by_hand(theta: int) -> None:
    # Channel on columns 2 to 6; s N(0, 1) / sqrt(dt theta / 1 s), here for s = 1.
    values = noise.white_input(program(), batch(theta=theta), 3, range(2, 7), torch.tensor([0, 9]), 2)
    assert values.shape == (2, 3, 2, 5)
    for k, b, t, column in [(0, 0, 0, 2), (1, 2, 1, 6), (0, 1, 1, 4)]:
        counter = ([0, 9][t], 3 * 2**16 + column // 4, b, k)
        expected = normal(counter, (7, 89), column % 4) / math.sqrt(0.005 * theta)
        assert float(values[k, b, t, column - 2]) == pytest.approx(expected, abs=1e-12)


def test_white_input_that_all_networks_share() -> None:
    values = noise.white_input(program(), batch(first_network=9), 0, range(3), torch.tensor([4]), None)
    assert values.shape == (1, 3, 1, 3)
    expected = normal((4, 0, 2, SHARED), (7, 89), 1) / math.sqrt(0.005)
    assert float(values[0, 2, 0, 1]) == pytest.approx(expected, abs=1e-12)


def test_white_input_where_sequences_are_at_steps_of_their_own() -> None:
    steps = torch.tensor([[0, 1], [5, 6], [2, 9]])
    values = noise.white_input(program(), batch(), 0, range(3), steps, 2)
    each = noise.white_input(program(), batch(), 0, range(3), torch.arange(10), 2)
    for b in range(3):
        assert torch.allclose(values[:, b], each[:, b, steps[b]], atol=1e-12)


def test_white_input_variance() -> None:
    values = noise.white_input(program(), batch(50), 0, range(8), torch.arange(100), 2)
    assert float(values.var()) == pytest.approx(1 / 0.005, rel=5 * math.sqrt(2 / values.numel()))
    assert float(values.mean()) == pytest.approx(0, abs=5 / math.sqrt(0.005 * values.numel()))


def test_draw_words_by_hand() -> None:
    call = 0xDEADBEEF
    drawn = noise.draw_words(batch(first_network=4), call, [0, 1], 3)
    assert drawn[0].shape == (3, 3, 2)
    for k, b, trial in [(0, 0, 0), (2, 1, 1)]:
        assert tuple(int(w[k, b, trial]) for w in drawn) == philox((call, trial, b, 4 + k), (7, 90))
    shared = noise.draw_words(batch(first_network=4), call, [0, 1], None)
    assert tuple(int(w[0, 2, 1]) for w in shared) == philox((call, 1, 2, SHARED), (7, 90))
    sequence = noise.draw_words(batch(purpose="evaluate"), call, None, None)
    assert sequence[0].shape == (1, 3, 1)
    assert tuple(int(w[0, 2, 0]) for w in sequence) == philox((call, SHARED, 2, SHARED), (7, 95))
