"""Samplers: from noise to latents, one velocity a step, in a handful of fused multiply-adds.

Works element by element, so a batch equals its single runs. Knows no model, no guidance and no photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from model.wan.schedule import SamplerError, Step, few_step_sigmas, flow_sigmas, unipc_steps

__all__ = ["ClipNoise", "FewStep", "Noise", "Run", "Sampler", "SamplerError", "UniPC", "noise"]

Noise = Callable[[], Tensor]
"""Gives fresh normal noise of the sample's shape, dtype and device at each call."""


class Run(Protocol):
    """One way from noise to latents. Not to be shared between threads or begun again."""

    def step(self, velocity: Tensor, sample: Tensor, /) -> Tensor:
        """The next sample, from the velocity that the model gave for ``sample`` at this step's timestep.

        Both have the same shape, any, and dtype, float32 or float64 (to check against); neither is changed. What is
        returned is the caller's: it may be changed in place, and the next step goes on from it as it then is.

        Raises:
            SamplerError: other shapes, dtypes or devices than before, or more steps than there are timesteps.
        """
        ...


class Sampler(Protocol):
    """A schedule of timesteps, and runs of it."""

    @property
    def timesteps(self) -> tuple[float, ...]:
        """What the model is given at each step, 0…1000, falling."""
        ...

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Share of noise at each step, 0…1, falling, and a last one of 0: one more than there are timesteps."""
        ...

    def begin(self, noise: Noise, /) -> Run:
        """A new run. ``noise`` is called as often as the sampler needs fresh noise, beyond the first sample."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UniPC:
    """UniPC of order 2 with its corrector: equal to diffusers' UniPCMultistepScheduler as Wan 2.2 5B configures it.

    That is ``solver_type="bh2"``, ``prediction_type="flow_prediction"``, ``use_flow_sigmas``, ``lower_order_final``,
    ``final_sigmas_type="zero"``. It differs in one thing: where a caller changes a sample between two steps, this
    one goes on from the changed values, and diffusers' corrector from those it remembers.
    """

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]
    weights: tuple[Step, ...] = field(repr=False)

    @classmethod
    def of(cls, *, steps: int, shift: float) -> UniPC:
        """A schedule of 1 to 1000 ``steps``; the higher the ``shift``, the longer noise stays. Raises SamplerError."""
        timesteps, sigmas = flow_sigmas(steps, shift)
        return cls(timesteps=timesteps, sigmas=sigmas, weights=unipc_steps(sigmas))

    def begin(self, _noise: Noise | None = None, /) -> Run:
        """A new run; it needs no fresh noise."""
        return _UniPCRun(self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class FewStep:
    """The sampler of few-step distilled checkpoints: jump to x0, then back to the next noise level with fresh noise.

    Equal to diffusers' FlowMatchLCMScheduler over the same noise levels, except that the last step draws no noise.
    """

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]

    @classmethod
    def of(cls, *, timesteps: Iterable[float]) -> FewStep:
        """Over these timesteps, falling, e.g. 1000, 757, 522; they are not shifted. Raises SamplerError."""
        chosen = tuple(float(timestep) for timestep in timesteps)
        return cls(timesteps=chosen, sigmas=few_step_sigmas(chosen))

    def begin(self, noise: Noise, /) -> Run:
        """A new run, which draws from ``noise`` at every step but the last."""
        return _FewStepRun(self.sigmas, noise)


Form = tuple[torch.Size, torch.dtype, torch.device]


def _form(tensor: Tensor) -> Form:
    return tensor.shape, tensor.dtype, tensor.device


def _told(form: Form) -> str:
    return f"{tuple(form[0])} {str(form[1]).removeprefix('torch.')} on {form[2]}"


class _Counted:
    """Counts steps and refuses what does not fit."""

    def __init__(self, name: str, steps: int) -> None:
        self._name, self._steps, self._done = name, steps, 0
        self._form: Form | None = None

    def _count(self, velocity: Tensor, sample: Tensor) -> bool:
        """Begin a step. True for the last one."""
        if self._done == self._steps:
            raise SamplerError(f"{self._name}: step {self._done + 1}: there are {self._steps}")
        self._done += 1
        if self._form is None:
            if sample.dtype not in (torch.float32, torch.float64):
                raise self._unfit("sample", sample, "float32")
            self._form = _form(sample)
        self._fits("sample", sample)
        self._fits("velocity", velocity)
        return self._done == self._steps

    def _fits(self, what: str, tensor: Tensor) -> None:
        if self._form is not None and _form(tensor) != self._form:
            raise self._unfit(what, tensor, _told(self._form))

    def _unfit(self, what: str, tensor: Tensor, due: str) -> SamplerError:
        where = f"{self._name}: step {self._done} of {self._steps}"
        return SamplerError(f"{where}: {what} is {_told(_form(tensor))}, where {due} was due")


class _UniPCRun(_Counted):
    """Keeps the clean samples of the last two steps: nothing else is needed (see ``unipc_steps``)."""

    def __init__(self, weights: tuple[Step, ...]) -> None:
        super().__init__("unipc", len(weights))
        self._weights = weights
        self._last: Tensor | None = None
        self._older: Tensor | None = None

    def step(self, velocity: Tensor, sample: Tensor, /) -> Tensor:
        """See Run. At most five kernels; two new tensors, one of which is returned."""
        last = self._count(velocity, sample)
        weights = self._weights[self._done - 1]
        x0 = torch.sub(sample, velocity, alpha=weights.sigma)
        if last:
            self._last = self._older = None
            return x0  # no noise is left: the next sample is the clean one
        following = torch.mul(sample, weights.sample_weight).add_(x0, alpha=weights.x0_weight)
        if self._last is not None:
            following.add_(self._last, alpha=weights.last_weight)
        if self._older is not None:
            following.add_(self._older, alpha=weights.older_weight)
        self._last, self._older = x0, self._last
        return following


class _FewStepRun(_Counted):
    def __init__(self, sigmas: tuple[float, ...], noise: Noise) -> None:
        super().__init__("few-step", len(sigmas) - 1)
        self._sigmas, self._noise = sigmas, noise

    def step(self, velocity: Tensor, sample: Tensor, /) -> Tensor:
        """See Run. Two kernels and one new tensor, besides the noise."""
        last = self._count(velocity, sample)
        x0 = torch.sub(sample, velocity, alpha=self._sigmas[self._done - 1])
        if last:
            return x0
        fresh = self._noise()
        self._fits("noise", fresh)
        return x0.lerp_(fresh, self._sigmas[self._done])


class ClipNoise:
    """Normal noise of a batch, each clip's from its own generator: a batch draws what its single runs draw.

    Generators are the CPU's, so a seed gives the same noise whatever the device; equal to what diffusers'
    ``randn_tensor`` gives for a list of such generators.
    """

    def __init__(self, seeds: Iterable[int], shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        """``seeds``: one a clip, 0…2⁶⁴−1. ``shape``: of one clip. Raises SamplerError."""
        chosen = list(seeds)
        if not chosen:
            raise SamplerError("noise: seeds: none given")
        for place, seed in enumerate(chosen):
            if not 0 <= seed < 2**64:
                raise SamplerError(f"noise: seeds[{place}]: 0 to 2**64 - 1, not {seed}")
        if not all(side > 0 for side in shape):
            raise SamplerError(f"noise: shape: {tuple(shape)} has an empty side")
        self.generators = tuple(torch.Generator().manual_seed(seed) for seed in chosen)
        self._shape, self._device = tuple(shape), torch.device(device)

    def draw(self) -> Tensor:
        """The next noise, (clips, *shape), float32, on the device. Each call draws afresh."""
        # From pinned memory the copy waits in the device's queue, not the host before it.
        pinned = self._device.type == "cuda"
        drawn = torch.empty((len(self.generators), *self._shape), dtype=torch.float32, pin_memory=pinned)
        for clip, generator in zip(drawn, self.generators, strict=True):
            clip.normal_(generator=generator)
        return drawn.to(self._device, non_blocking=pinned)


def noise(seeds: Iterable[int], shape: Sequence[int], device: torch.device | str = "cpu") -> Tensor:
    """The first noise of clips with these seeds, (clips, *shape), float32. Raises SamplerError."""
    return ClipNoise(seeds, shape, device).draw()
