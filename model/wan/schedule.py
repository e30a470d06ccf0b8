"""Noise levels and the coefficients of the samplers' steps: numbers only, in double precision.

Imports no torch, knows no tensors and no model; what the numbers do to a sample is in ``sampler``.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

TRAINED_TIMESTEPS = 1000
"""A noise level of 1 is timestep 1000."""

_EPSILON = 1e-6
"""What diffusers takes off a first noise level of 1, whose logarithmic signal-to-noise ratio would be infinite."""


class SamplerError(ValueError):
    """Raised for arguments that make no schedule, or no step of one; the message names sampler and argument."""


class Step(NamedTuple):
    """One step of a linear multistep sampler, with x0 as the clean sample that a velocity points to.

    ``x0 = sample − sigma·velocity``, then
    ``next = sample_weight·sample + x0_weight·x0 + last_weight·x0[−1] + older_weight·x0[−2]``,
    where x0[−1] and x0[−2] are those of the steps before. The weights of a step add up to 1.
    """

    sigma: float
    sample_weight: float
    x0_weight: float
    last_weight: float
    older_weight: float


def flow_sigmas(steps: int, shift: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The timesteps and noise levels of diffusers' UniPC with ``use_flow_sigmas``, as its numbers come out.

    Returns:
        Timesteps, one a step, whole numbers (it cuts them off) as the model was given them; and noise levels in
        0…1, one a step and a last one of 0, rounded to single precision.

    Raises:
        SamplerError: no such schedule.
    """
    if not 1 <= steps <= TRAINED_TIMESTEPS:
        raise SamplerError(f"unipc: steps: 1 to {TRAINED_TIMESTEPS}, not {steps}")
    if not (math.isfinite(shift) and shift > 0):
        raise SamplerError(f"unipc: shift: a finite number above 0, not {shift}")
    even = np.linspace(1, 1 / TRAINED_TIMESTEPS, steps + 1)[:-1]
    levels = shift * even / (1 + (shift - 1) * even)
    if abs(levels[0] - 1) < _EPSILON:
        levels[0] -= _EPSILON
    timesteps = tuple(float(int(level * TRAINED_TIMESTEPS)) for level in levels)
    sigmas = (*(float(np.float32(level)) for level in levels), 0.0)
    if not all(high > low for high, low in pairwise(sigmas)):
        raise SamplerError(f"unipc: shift: {shift} leaves no falling noise levels for {steps} steps")
    return timesteps, sigmas


class _Interval(NamedTuple):
    """Weights of a predictor or corrector over one interval: of the sample and of three x0, the newest first."""

    sample: float
    newest: float
    middle: float
    oldest: float


def unipc_steps(sigmas: tuple[float, ...]) -> tuple[Step, ...]:
    """UniPC of order 2 (bh2, on x0) with its corrector, folded to one linear combination a step.

    UniPC (Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework", algorithms 5–8) predicts the next sample
    from the corrected one and two x0; once the velocity there is known, it corrects the prediction from the sample
    before, three x0 and the same decay. So corrected − predicted is a combination of the three x0 alone, and the
    corrected sample, which nothing else uses, need not be made.

    ``sigmas`` are noise levels, falling, the last one 0; the signal's level is 1 − sigma.
    """
    count = len(sigmas) - 1
    done, before, predicted = [], 0, _Interval(1.0, 0.0, 0.0, 0.0)
    for now in range(count):
        # Corrected − predicted, by x0 of this step, the one before, and the one before that.
        change = (0.0, 0.0, 0.0)
        if now > 0:
            corrected = _corrector(sigmas, now, order=before)
            change = (
                corrected.newest,
                corrected.middle - predicted.newest,
                corrected.oldest - predicted.middle,
            )
        before = min(2, now + 1, count - now)
        predicted = _predictor(sigmas, now, order=before)
        decay = predicted.sample
        done.append(
            Step(
                sigma=sigmas[now],
                sample_weight=decay,
                x0_weight=decay * change[0] + predicted.newest,
                last_weight=decay * change[1] + predicted.middle,
                older_weight=decay * change[2],
            )
        )
    return tuple(done)


def _logarithmic(sigma: float) -> float:
    """Half the logarithmic signal-to-noise ratio; infinite without noise."""
    return math.log1p(-sigma) - math.log(sigma) if sigma > 0 else math.inf


def _predictor(sigmas: tuple[float, ...], now: int, *, order: int) -> _Interval:
    """From level ``now`` to the next: UniP. Newest is x0 at ``now``, middle the one before."""
    here, there = sigmas[now], sigmas[now + 1]
    length = _logarithmic(there) - _logarithmic(here)
    gain = -(1 - there) * math.expm1(-length)  # of x0 over the interval: there is no noise, it is 1
    if order == 1:
        return _Interval(there / here, gain, 0.0, 0.0)
    ratio = (_logarithmic(sigmas[now - 1]) - _logarithmic(here)) / length
    slope = gain / 2 / ratio
    return _Interval(there / here, gain - slope, slope, 0.0)


def _corrector(sigmas: tuple[float, ...], now: int, *, order: int) -> _Interval:
    """From the level before ``now`` to ``now``: UniC. Newest is x0 at ``now``, then those before it."""
    start, here = sigmas[now - 1], sigmas[now]
    length = _logarithmic(here) - _logarithmic(start)
    gain = -(1 - here) * math.expm1(-length)
    if order == 1:
        return _Interval(here / start, gain / 2, gain / 2, 0.0)
    ratio = (_logarithmic(sigmas[now - 2]) - _logarithmic(start)) / length
    # rho of the paper's equation (11) for two differences: [1 1; ratio 1]·rho = [first second].
    scale = math.expm1(-length)
    first = (scale / -length - 1) / scale
    second = 2 * ((scale / -length - 1) / -length - 0.5) / scale
    older = (first - second) / (1 - ratio)
    newest = first - older
    slope = gain * older / ratio
    return _Interval(here / start, gain * newest, gain * (1 - newest) - slope, slope)


def few_step_sigmas(timesteps: tuple[float, ...]) -> tuple[float, ...]:
    """Noise levels of the few-step sampler, one a timestep and a last one of 0. Raises SamplerError."""
    if not timesteps:
        raise SamplerError("few-step: timesteps: none given")
    if not all(0 < timestep <= TRAINED_TIMESTEPS for timestep in timesteps):
        raise SamplerError(f"few-step: timesteps: above 0, up to {TRAINED_TIMESTEPS}, not {list(timesteps)}")
    if not all(high > low for high, low in pairwise(timesteps)):
        raise SamplerError(f"few-step: timesteps: {list(timesteps)} do not fall")
    return (*(timestep / TRAINED_TIMESTEPS for timestep in timesteps), 0.0)
