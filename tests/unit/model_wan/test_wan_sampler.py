"""Laws of the samplers: they go where diffusers' schedulers go, step by step, in a fraction of the operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from diffusers import FlowMatchLCMScheduler, UniPCMultistepScheduler
from diffusers.utils.torch_utils import randn_tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from model.wan.architecture import SCHEDULER
from model.wan.sampler import ClipNoise, FewStep, Sampler, SamplerError, UniPC, noise
from model.wan.schedule import Step, flow_sigmas, unipc_steps

DISTILLED = (1000.0, 757.0, 522.0)
SHAPE = (2, 3, 4, 5)

Velocity = Callable[[Tensor, float], Tensor]


@pytest.fixture(autouse=True)
def _ungraded() -> Iterator[None]:
    with torch.inference_mode():
        yield


def wavy(frequency: float = 3.0) -> Velocity:
    """A velocity that bends with sample and timestep, so that an error of one step is carried into all others."""
    return lambda sample, timestep: 0.5 * sample + torch.sin(frequency * sample + timestep / 100) + timestep / 1000


def start(dtype: torch.dtype = torch.float32, clips: int = 1, seed: int = 0) -> Tensor:
    """Noise, (clips, *SHAPE)."""
    return torch.randn((clips, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=dtype)


def scheduler(steps: int, shift: float) -> Any:
    """diffusers' scheduler as the checkpoint configures it, at its first step."""
    stock = UniPCMultistepScheduler(**{**SCHEDULER, "flow_shift": shift})
    stock.set_timesteps(steps)
    stock.set_begin_index(0)
    return stock


def stock_path(steps: int, shift: float, sample: Tensor, velocity: Velocity) -> list[Tensor]:
    """The samples after each step of diffusers; in double precision where the sample is."""
    stock, path = scheduler(steps, shift), []
    stock.sigmas = stock.sigmas.to(sample.dtype)
    for timestep in stock.timesteps:
        sample = stock.step(velocity(sample, float(timestep)), timestep, sample, return_dict=False)[0]
        path.append(sample)
    return path


def our_path(sampler: Sampler, sample: Tensor, velocity: Velocity, fresh: Callable[[], Tensor]) -> list[Tensor]:
    """The samples after each of our steps."""
    run, path = sampler.begin(fresh), []
    for timestep in sampler.timesteps:
        sample = run.step(velocity(sample, timestep), sample)
        path.append(sample)
    return path


def undrawn() -> Tensor:
    """Noise that must not be asked for."""
    raise AssertionError("a deterministic sampler drew noise")


def apart(ours: list[Tensor], stock: list[Tensor]) -> float:
    """The largest difference anywhere on two paths."""
    return max(float((one - other).abs().max()) for one, other in zip(ours, stock, strict=True))


# UniPC.


@pytest.mark.parametrize("shift", [1.0, 1.7, 3.0, 5.0, 8.0, 12.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 20, 50])
def test_unipc_walks_where_stock_walks(steps: int, shift: float) -> None:
    """Every sample on the way equals stock's in single precision, and to the last digits in double precision."""
    sampler = UniPC.of(steps=steps, shift=shift)

    single = apart(our_path(sampler, start(), wavy(), undrawn), stock_path(steps, shift, start(), wavy()))
    double = start(torch.float64)
    exact = apart(our_path(sampler, double, wavy(), undrawn), stock_path(steps, shift, double, wavy()))

    assert single < 1e-5
    assert exact < 1e-13


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 50),
    shift=st.floats(1.0, 12.0),
    frequency=st.floats(0.0, 4.0),
    seed=st.integers(0, 2**32),
)
def test_unipc_is_stock_for_any_schedule(steps: int, shift: float, frequency: float, seed: int) -> None:
    """The paths agree for any number of steps, any shift and any velocity of moderate bend."""
    velocity, sample = wavy(frequency), start(torch.float64, seed=seed)

    ours = our_path(UniPC.of(steps=steps, shift=shift), sample, velocity, undrawn)

    assert apart(ours, stock_path(steps, shift, sample, velocity)) < 1e-11
    single = our_path(UniPC.of(steps=steps, shift=shift), sample.float(), velocity, undrawn)
    assert apart(single, stock_path(steps, shift, sample.float(), velocity)) < 1e-4


@settings(max_examples=100, deadline=None)
@given(steps=st.integers(1, 1000), shift=st.floats(0.05, 20.0))
def test_unipc_feeds_the_model_the_timesteps_that_stock_feeds(steps: int, shift: float) -> None:
    """Timesteps are stock's whole numbers, cut off rather than rounded; noise levels are its single-precision ones."""
    sampler, stock = UniPC.of(steps=steps, shift=shift), scheduler(steps, shift)

    assert stock.timesteps.dtype == torch.int64
    assert list(sampler.timesteps) == stock.timesteps.tolist()
    assert list(sampler.sigmas) == stock.sigmas.double().tolist()


@settings(max_examples=100, deadline=None)
@given(steps=st.integers(1, 1000), shift=st.floats(0.05, 20.0))
def test_weights_of_a_step_add_up_to_one(steps: int, shift: float) -> None:
    """A sample that is clean already stays as it is: the weights sum to 1, and the last step is x0 alone."""
    weights = unipc_steps(flow_sigmas(steps, shift)[1])

    for step in weights:
        assert math.isclose(sum(step[1:]), 1.0, abs_tol=1e-9 * max(map(abs, step[1:])))
    assert weights[-1][1:] == (0.0, 1.0, 0.0, 0.0)
    assert weights[0].last_weight == weights[0].older_weight == 0.0


def test_a_straight_flow_is_followed_exactly() -> None:
    """Where the velocity is noise − clean throughout, every step lies on the line between them and ends at clean."""
    clean, noisy = start(torch.float64, seed=1), start(torch.float64, seed=2)
    sampler = UniPC.of(steps=20, shift=5.0)

    path = our_path(sampler, noisy, lambda _sample, _timestep: noisy - clean, undrawn)

    first = sampler.sigmas[0]  # the start is taken to be at this level, a millionth below 1
    for sample, sigma in zip(path, sampler.sigmas[1:], strict=True):
        offset = (1 - first) * (noisy - clean)
        assert torch.allclose(sample, (1 - sigma) * clean + sigma * noisy + offset, atol=1e-12)


def test_a_sample_changed_in_place_leaves_the_rest_as_it_was() -> None:
    """The caller may overwrite a part of what it was given (a photo's first frame): the other values go on as stock's.

    Neither velocities nor samples given to a step are changed by it.
    """
    steps, shift, velocity = 12, 5.0, wavy()
    stock = stock_path(steps, shift, start(), velocity)
    sampler = UniPC.of(steps=steps, shift=shift)
    run, sample = sampler.begin(), start()

    for number, timestep in enumerate(sampler.timesteps):
        sample[:, :, :1] = 9.0
        given_velocity = velocity(sample, timestep)
        before = (given_velocity.clone(), sample.clone())
        following = run.step(given_velocity, sample)
        assert torch.equal(given_velocity, before[0])
        assert torch.equal(sample, before[1])
        sample = following
        assert float((sample - stock[number])[:, :, 1:].abs().max()) < 1e-5


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch leaves this class untyped
    """Counts the operations that reach a device."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        self.count += 1
        return func(*args, **(kwargs or {}))


def _operations(work: Callable[[], object]) -> int:
    with _Counting() as counting:  # type: ignore[no-untyped-call]
        work()
    count: int = counting.count
    return count


def test_a_step_is_at_most_five_operations() -> None:
    """Ours launches five kernels a step at most, where stock launches more than fifty."""
    sample, velocity = start(), start(seed=1)
    run, stock = UniPC.of(steps=20, shift=5.0).begin(), scheduler(20, 5.0)
    ours, theirs = [], []

    for timestep in stock.timesteps:
        ours.append(_operations(partial(run.step, velocity, sample)))
        theirs.append(_operations(partial(stock.step, velocity, timestep, sample)))

    assert max(ours) == 5
    assert min(theirs[2:-1]) > 50


# The few-step sampler.


def test_few_step_is_its_formula() -> None:
    """x0 = x − σ·v; then (1 − σ')·x0 + σ'·ε with fresh ε, drawn in turn; the last step returns x0 and draws none."""
    velocity, drawn = wavy(), [start(seed=seed) for seed in (11, 12)]
    sample, expected = start(), []
    for number, timestep in enumerate(DISTILLED):
        clean = sample - timestep / 1000 * velocity(sample, timestep)
        if number < 2:
            level = DISTILLED[number + 1] / 1000
            sample = (1 - level) * clean + level * drawn[number]
        else:
            sample = clean
        expected.append(sample)
    left = iter(drawn)

    ours = our_path(FewStep.of(timesteps=DISTILLED), start(), velocity, lambda: next(left))

    assert apart(ours, expected) < 1e-6
    assert next(left, None) is None


@settings(max_examples=30, deadline=None)
@given(
    timesteps=st.lists(st.integers(1, 1000), min_size=1, max_size=8, unique=True).map(
        lambda chosen: sorted(chosen, reverse=True)
    ),
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3),
)
def test_few_step_is_stock_over_the_clips_own_generators(timesteps: list[int], seeds: list[int]) -> None:
    """From the same seeds, every sample equals what diffusers' FlowMatchLCMScheduler makes, in batches too."""
    stock = FlowMatchLCMScheduler()
    stock.set_timesteps(sigmas=[timestep / 1000 for timestep in timesteps])
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    sample, theirs = randn_tensor((len(seeds), *SHAPE), generator=generators), []
    first = sample
    for timestep in stock.timesteps:
        velocity = wavy()(sample, float(timestep))
        sample = stock.step(velocity, timestep, sample, generator=generators, return_dict=False)[0]
        theirs.append(sample)
    drawn = ClipNoise(seeds, SHAPE)
    sampler = FewStep.of(timesteps=timesteps)

    assert torch.equal(drawn.draw(), first)
    assert apart(our_path(sampler, first, wavy(), drawn.draw), theirs) < 1e-4
    assert sampler.timesteps == pytest.approx(stock.timesteps.tolist(), abs=1e-3)


def test_the_distilled_schedule_is_stocks() -> None:
    """Over 1000, 757, 522 the model is given exactly those timesteps, and the path is stock's within 1e-5."""
    stock = FlowMatchLCMScheduler()
    stock.set_timesteps(sigmas=[1.0, 0.757, 0.522])
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    sample, theirs = randn_tensor((2, *SHAPE), generator=generators), []
    for timestep in stock.timesteps:
        sample = stock.step(wavy()(sample, float(timestep)), timestep, sample, generator=generators).prev_sample
        theirs.append(sample)
    drawn = ClipNoise([5, 6], SHAPE)
    sampler = FewStep.of(timesteps=DISTILLED)

    ours = our_path(sampler, drawn.draw(), wavy(), drawn.draw)

    assert list(sampler.timesteps) == stock.timesteps.tolist() == [1000.0, 757.0, 522.0]
    assert apart(ours, theirs) < 1e-5


# Noise.


@settings(max_examples=50, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4),
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_noise_is_what_stock_draws_for_these_generators(seeds: list[int], shape: list[int]) -> None:
    """Each draw equals diffusers' randn_tensor to the bit, the first and the next, for sizes small and large."""
    drawn = ClipNoise(seeds, shape)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    for _ in range(3):
        assert torch.equal(drawn.draw(), randn_tensor((len(seeds), *shape), generator=generators))


@pytest.mark.parametrize("sampler", [UniPC.of(steps=9, shift=3.0), FewStep.of(timesteps=DISTILLED)])
def test_a_batch_is_its_single_runs(sampler: Sampler) -> None:
    """Each clip of a batch comes out to the bit as it does alone, with the same seed."""
    seeds = [3, 2**63 + 1, 3]
    together = ClipNoise(seeds, SHAPE)

    batch = our_path(sampler, together.draw(), wavy(), together.draw)[-1]

    for place, seed in enumerate(seeds):
        alone = ClipNoise([seed], SHAPE)
        assert torch.equal(our_path(sampler, alone.draw(), wavy(), alone.draw)[-1][0], batch[place])
    assert not torch.equal(batch[0], batch[1])
    assert torch.equal(batch[0], batch[2])


def test_noise_function_is_the_first_draw() -> None:
    """``noise`` is what ClipNoise draws first, in single precision; the next draw is another."""
    drawn = ClipNoise([1, 2], SHAPE)

    first = drawn.draw()

    assert torch.equal(noise([1, 2], SHAPE), first)
    assert first.shape == (2, *SHAPE)
    assert first.dtype == torch.float32
    assert not torch.equal(drawn.draw(), first)


# What is refused.


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: UniPC.of(steps=0, shift=5.0), "unipc: steps: 1 to 1000, not 0"),
        (lambda: UniPC.of(steps=1001, shift=5.0), "unipc: steps: 1 to 1000, not 1001"),
        (lambda: UniPC.of(steps=3, shift=0.0), "unipc: shift: a finite number above 0, not 0.0"),
        (lambda: UniPC.of(steps=3, shift=math.inf), "unipc: shift: a finite number above 0, not inf"),
        (lambda: UniPC.of(steps=3, shift=math.nan), "unipc: shift: a finite number above 0, not nan"),
        (lambda: UniPC.of(steps=3, shift=1e9), "leaves no falling noise levels for 3 steps"),
        (lambda: FewStep.of(timesteps=()), "few-step: timesteps: none given"),
        (lambda: FewStep.of(timesteps=(1001,)), r"few-step: timesteps: above 0, up to 1000, not \[1001.0\]"),
        (lambda: FewStep.of(timesteps=(10, 0)), "above 0"),
        (lambda: FewStep.of(timesteps=(10, 10)), r"\[10.0, 10.0\] do not fall"),
        (lambda: ClipNoise([], SHAPE), "noise: seeds: none given"),
        (lambda: ClipNoise([1, -1], SHAPE), r"noise: seeds\[1\]: 0 to 2\*\*64 - 1, not -1"),
        (lambda: ClipNoise([2**64], SHAPE), r"noise: seeds\[0\]"),
        (lambda: ClipNoise([1], (3, 0)), r"noise: shape: \(3, 0\) has an empty side"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(make: Callable[[], object], told: str) -> None:
    """Arguments that make no schedule or no noise are refused at once, naming sampler, argument and value."""
    with pytest.raises(SamplerError, match=told):
        make()


@pytest.mark.parametrize("sampler", [UniPC.of(steps=3, shift=3.0), FewStep.of(timesteps=DISTILLED)])
def test_a_step_that_does_not_fit_is_refused(sampler: Sampler) -> None:
    """A step names what does not fit: half precision, another shape or dtype, another sample, a step too many."""
    good = start()

    with pytest.raises(SamplerError, match=r"step 1 of 3: sample is .* bfloat16 on cpu, where float32 was due"):
        sampler.begin(start).step(good.bfloat16(), good.bfloat16())
    with pytest.raises(SamplerError, match=r"step 1 of 3: velocity is .* bfloat16 on cpu, where .* float32 on cpu"):
        sampler.begin(start).step(good.bfloat16(), good)
    with pytest.raises(SamplerError, match=r"velocity is \(1, 2, 3, 4\) float32"):
        sampler.begin(start).step(good[..., 0], good)
    run = sampler.begin(start)
    run.step(good, good)
    with pytest.raises(SamplerError, match=r"step 2 of 3: sample is \(1, 2, 3, 4\)"):
        run.step(good[..., 0], good[..., 0])
    run = sampler.begin(start)
    for _ in sampler.timesteps:
        run.step(good, good)
    with pytest.raises(SamplerError, match="step 4: there are 3"):
        run.step(good, good)


def test_noise_that_does_not_fit_is_refused() -> None:
    """Noise of another shape than the sample's is refused, not spread over it."""
    run = FewStep.of(timesteps=DISTILLED).begin(lambda: torch.zeros(()))

    with pytest.raises(SamplerError, match=r"few-step: step 1 of 3: noise is \(\) float32 on cpu"):
        run.step(start(), start())


def test_a_step_tells_its_parts_by_name() -> None:
    """One step from pure noise to clean: no part of the sample, all of x0."""
    assert unipc_steps((0.5, 0.0)) == (
        Step(sigma=0.5, sample_weight=0.0, x0_weight=1.0, last_weight=0.0, older_weight=0.0),
    )
