"""What measuring tells: every stage, times that add up, ratios that are what they are called, and what went wrong."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from model.recipe import Mode
from model.wan.checkpoint import Checkpoint
from model.wan.load import Parts
from model.wan.measure import Bench, Deadline, FromCheckpoint, FullSize, Plan, Source
from model.wan.measure_figures import STAGES, Case, Row, Series, Side, Turn
from model.wan.measure_full import cost
from model.wan.measure_gains import TIME_UP, Ground, gain
from model.wan.measure_meter import Meter, Peak, Spent, Stopwatch
from model.wan.measure_published import PUBLISHED, beside
from model.wan.measure_sides import DECODE, ENCODE, TEXT, TRANSFORMER, Stock, shots_of, used_profile
from model.wan.measure_switches import SWITCHES
from model.wan.profile import Profile, load
from tests.unit.model_wan.stock import profile

CPU = torch.device("cpu")
CASE = Case(profile="cpu-tiny", mode="text", width=64, height=64, frames=5, batch=1)
SMALL: dict[str, dict[str, Any]] = {
    "text_encoder": {"vocab_size": 1024, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
    "transformer": {
        "num_attention_heads": 2,
        "attention_head_dim": 24,
        "text_dim": 32,
        "ffn_dim": 64,
        "num_layers": 2,
    },
    "vae": {"base_dim": 8, "decoder_base_dim": 8, "num_res_blocks": 1},
}


def plan(*profiles: Profile, **changes: Any) -> Plan:
    """One small case, one round."""
    values: dict[str, Any] = {
        "profiles": profiles or (profile(),),
        "sizes": ((64, 64),),
        "frames": (5,),
        "batches": (1,),
        "modes": ("text",),
        "rounds": 1,
    }
    return Plan(**(values | changes))


def bench(source: Source, deadline: Deadline | None = None) -> Bench:
    """On the CPU."""
    return Bench(source, CPU, deadline or Deadline(None))


def turn(total: float, *, denoise: float = 0.0, inside: float = 0.0, clips: int = 1) -> Turn:
    """One made up, the CPU half as busy as the clock went."""
    return Turn(
        clips=clips,
        total=Spent(total, total / 2),
        stages={"denoise": denoise, "decode": 1.0},
        inside={TRANSFORMER: Spent(inside / 2, inside / 4), DECODE: Spent(inside / 2, inside / 4)},
        memory={"resident_bytes": 10 * total},
    )


def row(ours: list[Turn], stock: list[Turn] | Side | None, *, cpu: bool = False, **changes: Any) -> Row:
    """One made up."""
    values: dict[str, Any] = {
        "case": CASE,
        "ours": Side(turns=tuple(ours)),
        "stock": Side(turns=tuple(stock)) if isinstance(stock, list) else stock,
        "flops": 6e9,
        "ceiling": 4e9,
    }
    return Row(cpu=cpu, **(values | changes))


# Arithmetic.


def test_stages_add_up() -> None:
    """A clip's stages, with what no stage names, are its time; a batch's are shared out."""
    batch = turn(10.0, denoise=6.0, clips=2)
    assert sum(batch.stage(name) for name in STAGES) == batch.seconds == 5.0
    assert (batch.stage("denoise"), batch.stage("rest"), batch.stage("photo")) == (3.0, 1.5, 0.0)


def test_outside_is_what_the_modules_leave() -> None:
    """The whole less the modules' own forward passes, by wall clock and by CPU time, and never below nothing."""
    assert turn(10.0, inside=8.0).outside == Spent(2.0, 1.0)
    assert turn(1.0, inside=8.0).outside == Spent(0.0, 0.0)


def test_a_series() -> None:
    """Median, and spread over the median; nothing of nothing."""
    series = Series.of([4.0, 1.0, 2.0])
    assert (series.p50, series.spread) == (2.0, 1.5)
    assert Series.of([0.0]).spread == 0.0
    with pytest.raises(ValueError, match="without rounds"):
        Series.of([])


@pytest.mark.parametrize("cpu", [False, True])
def test_ratios_are_ours_over_stock_round_by_round(cpu: bool) -> None:
    """A round that the machine disturbed disturbs both sides of its ratio."""
    ours = [turn(2.0, denoise=1.0, inside=1.9), turn(20.0, denoise=10.0, inside=19.0)]
    stock = [turn(4.0, denoise=4.0, inside=3.0), turn(40.0, denoise=40.0, inside=30.0)]
    ratios = row(ours, stock, cpu=cpu).ratios()
    assert {name: ratio.p50 for name, ratio in ratios.items()} == pytest.approx(
        {"total": 0.5, "denoise": 0.25, "decode": 1.0, "outside": 0.1, "outside_of_total": 0.025}
    )
    assert ratios["total"].spread == 0


def test_no_ratios_without_stock() -> None:
    """Left out, or out of memory: ours stands alone."""
    assert row([turn(2.0)], None).ratios() == {}
    failed = row([turn(2.0)], Side(failed="out of memory: 1 GiB"))
    assert failed.ratios() == {}
    assert failed.facts()["stock"] == {"rounds": 0, "failed": "out of memory: 1 GiB"}


def test_facts_of_a_row() -> None:
    """Clips an hour, MFU by denoising time, peaks over the rounds, notes."""
    found = row([turn(2.0, denoise=2.0), turn(4.0, denoise=2.0)], [turn(8.0), turn(8.0)]).facts()
    assert found["ours"]["clips_per_gpu_hour"] == 1200
    assert found["ours"]["mfu"] == 0.75
    assert found["ours"]["memory"] == {"resident_bytes": 40.0}
    assert found["stock"]["stages"]["rest"] == 7.0
    assert "mfu" not in row([turn(2.0, denoise=1.0)], [], ceiling=0.0).facts()["ours"]


def test_published_figures_beside_ours() -> None:
    """Only the workload they speak of: text, 121 frames, 1280x704, batch 1, and as many steps."""
    case = replace(CASE, profile="fast", width=1280, height=704, frames=121)
    same = row([turn(2.0, denoise=1.32)], [], case=case)
    found = beside([same, row([turn(1.0)], [])], {"fast": 3, "cpu-tiny": 3}, "H100")
    assert [each.published for each in found] == [each for each in PUBLISHED if each.steps == 3]
    ratios = {(each.published.who, each.published.seconds): each.ratio for each in found}
    assert ratios["FastVideo", 2.64] == pytest.approx(0.5)
    assert ratios["sglang", 4.61] == pytest.approx(2.0 / 4.61)
    assert found[0].facts()["our_hardware"] == "H100"
    assert beside([same], {"fast": 30}, "H100") == []


# The meter.


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def work(self, seconds: float) -> float:
        """Something that takes so long."""
        self.time += seconds
        return seconds


def test_spans_add_up_by_name() -> None:
    """Calls and blocks are counted under their names, errors too; taken once."""
    clock = Hands()
    meter = Meter(CPU, wall=clock, cpu=lambda: clock() / 2)
    assert meter.timed("one", clock.work)(3.0) == 3.0
    with pytest.raises(ZeroDivisionError), meter.span("one"):
        clock.work(1 / 0 if clock.work(2.0) else 0)
    clock.work(100.0)
    with meter.span("other"):
        clock.work(7.0)
    assert meter.take() == {"one": Spent(5.0, 2.5), "other": Spent(7.0, 3.5)}
    assert meter.take() == {}


def test_what_is_done_with_a_chunk_is_not_its_making() -> None:
    """Between two chunks the user's time passes uncounted."""
    clock = Hands()
    meter = Meter(CPU, wall=clock)

    def chunks() -> Iterator[float]:
        for seconds in (1.0, 2.0):
            yield clock.work(seconds)

    for _ in meter.drawn("made", chunks()):
        clock.work(50.0)
    assert meter.take()["made"].wall == 3.0


def test_watched_methods_are_given_back() -> None:
    """After the block, and after an error in it, the class's own method is called again."""
    clock = Hands()
    meter = Meter(CPU, wall=clock)
    with pytest.raises(ZeroDivisionError), meter.watching((clock, "work", "work")):
        clock.work(1 / 0 if clock.work(1.0) else 0)
    clock.work(1.0)
    assert "work" not in vars(clock)
    assert meter.take()["work"].wall == 1.0


def test_memory_and_time_of_real_work() -> None:
    """A page that is written to is resident; work takes time of both kinds."""
    peak, watch = Peak(CPU), Stopwatch(CPU)
    # From the kernel, not from the allocator, which may have as much resident memory left from an earlier test.
    with mmap.mmap(-1, 64 * 2**20) as held:
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert peak.bytes()["resident_bytes"] >= len(held) / 2
    assert all(spent > 0 for spent in watch.stop())


# Rows over the tiny checkpoint.


@pytest.mark.parametrize("mode", ["text", "image"])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_row_of_both_sides(tiny: Checkpoint, mode: Mode, batch: int) -> None:
    """Every stage of both sides, times that add up, and the modules' forward passes within them."""
    measured = bench(FromCheckpoint(tiny))
    wanted = plan(modes=(mode,), batches=(batch,), rounds=2)
    ceilings = measured.ceilings(wanted)
    assert ceilings.flops["float32"] > 0
    assert ceilings.copy > 0
    (found,) = measured.rows(wanted)
    assert measured.left_out == {}
    assert found.stock is not None
    stages = {"text", "denoise", "decode", "copy"} | ({"photo"} if mode == "image" else set())
    modules = {TEXT, TRANSFORMER, DECODE} | ({ENCODE} if mode == "image" else set())
    for side in (found.ours, found.stock):
        assert len(side.turns) == 2
        for each in side.turns:
            assert each.clips == batch
            assert set(each.stages) == stages
            assert set(each.inside) == modules
            assert sum(each.stage(name) for name in STAGES) == pytest.approx(each.seconds)
            assert 0 < each.outside.wall < each.total.wall
    assert found.flops > 0
    assert found.mfu(found.ours)
    assert set(found.ratios()) == {"total", "denoise", "decode", "outside", "outside_of_total"}


def test_a_few_steps_of_both_sides(tiny: Checkpoint) -> None:
    """The distilled profile: stock takes the same noise levels, and no guidance."""
    few: dict[str, Any] = {"sampler": "few-step", "timesteps": [1000, 757, 522], "guidance": 1.0, "modes": ["text"]}
    used = profile(**few)
    (found,) = bench(FromCheckpoint(tiny)).rows(plan(used, modes=("text", "image")))
    assert found.stock is not None
    assert not found.stock.failed
    parts = FromCheckpoint(tiny).parts(used, CPU)
    stock = Stock(parts, used_profile(used, CASE), CPU)
    stock.run(shots_of(CASE, used_profile(used, CASE), 0))
    assert stock.text.scheduler.timesteps.tolist() == pytest.approx([1000, 757, 522])


def test_shots_are_new_every_turn() -> None:
    """Words and seeds that no turn before had: prompts that are kept would flatter ours."""
    case, seen = replace(CASE, batch=2), set()
    used = used_profile(profile(), case)
    for number in range(3):
        seen |= {(shot.scene.prompt, shot.scene.seed) for shot in shots_of(case, used, number)}
    assert len(seen) == len({prompt for prompt, _ in seen}) == 6


def test_a_bucket_that_is_stored_smaller() -> None:
    """The profile's own base size where it has that render size, else as rendered."""
    case = replace(CASE, width=1280, height=704)
    assert used_profile(load("fast-704p"), case).buckets[0].base == (872, 480)
    assert used_profile(load("fast"), case).buckets[0].base == (1280, 704)


@dataclass
class Starved:
    """Modules that run out of memory where they are told to."""

    tiny: Checkpoint
    starve: Callable[[Parts], None]
    random: bool = False

    def parts(self, used: Profile, device: torch.device) -> Parts:
        """See Source."""
        parts = FromCheckpoint(self.tiny).parts(used, device)
        self.starve(parts)
        return parts


def hungry(module: Any, method: str, *, batch: int = 1) -> None:
    """Whoever hands the module so many clips runs out of memory."""
    plain = getattr(module, method)

    def call(given: Any, *more: Any, **named: Any) -> Any:
        if len(given) >= batch:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return plain(given, *more, **named)

    setattr(module, method, call)


def test_stock_out_of_memory_is_a_row(tiny: Checkpoint) -> None:
    """Ours goes on alone, and the next case comes."""
    source = Starved(tiny, lambda parts: hungry(parts.vae, "decode", batch=2))
    alone, both = bench(source).rows(plan(batches=(2, 1)))
    assert both.stock is not None
    assert both.stock.turns
    assert alone.stock is not None
    assert alone.stock.failed == "out of memory: CUDA out of memory. Tried to allocate 9 GiB"
    assert alone.ours.turns
    assert not alone.ratios()


def test_a_batch_that_ours_takes_apart(tiny: Checkpoint) -> None:
    """The engine goes on clip by clip; the row says so, for its figures are then no batch's."""

    def starve(parts: Parts) -> None:
        plain, fed = parts.vae.encode, []

        def encode(pixels: torch.Tensor) -> Any:
            fed.append(pixels)
            if len(fed) == 1:
                raise torch.OutOfMemoryError("CUDA out of memory: photos")
            return plain(pixels)

        parts.vae.encode = encode

    (found,) = bench(Starved(tiny, starve)).rows(plan(batches=(2,), modes=("image",), stock=False))
    assert found.ours.notes == ("out of memory on the way: CUDA out of memory: photos",)
    assert found.ours.turns[0].clips == 2


def test_a_batch_that_does_not_fit(tiny: Checkpoint) -> None:
    """One that fails in the warm-up already has no figures, on either side."""
    source = Starved(tiny, lambda parts: hungry(parts.transformer.blocks[1].ffn, "forward", batch=2))
    (found,) = bench(source).rows(plan(batches=(2,), modes=("image",)))
    assert found.ours.failed.startswith("out of memory")
    assert found.stock is not None
    assert found.stock.failed.startswith("out of memory")


def test_ours_out_of_memory_is_a_row(tiny: Checkpoint) -> None:
    """A single clip does not fit either."""
    source = Starved(tiny, lambda parts: hungry(parts.transformer.blocks[1].ffn, "forward"))
    (found,) = bench(source).rows(plan())
    assert found.ours.failed.startswith("out of memory")
    assert found.stock is not None
    assert found.stock.failed.startswith("out of memory")


def test_no_memory_for_the_modules(tiny: Checkpoint) -> None:
    """Left out, with the reason."""

    def starve(_: Parts) -> None:
        raise torch.OutOfMemoryError("none")

    measured = bench(Starved(tiny, starve))
    assert list(measured.rows(plan())) == []
    assert "out of memory" in next(iter(measured.left_out.values()))


def test_time_that_is_up(tiny: Checkpoint) -> None:
    """What has begun is finished with one round; the rest is named."""
    clock = Hands()
    measured = bench(FromCheckpoint(tiny), Deadline(10.0, clock))
    wanted = plan(batches=(1, 2), rounds=3)
    found = []
    for each in measured.rows(wanted):
        found.append(each)
        clock.work(20.0)
    assert [each.case.batch for each in found] == [1]
    assert measured.left_out == {str(wanted.cases()[1]): TIME_UP}
    assert list(measured.gains(wanted)) == []
    assert len(measured.left_out) == 1 + len(SWITCHES)


def test_a_case_beyond_the_model(tiny: Checkpoint) -> None:
    """A clip beyond the transformer's positions is left out, and not left to fail inside."""
    measured = bench(Starved(tiny, lambda parts: parts.transformer.register_to_config(rope_max_seq_len=2)))
    (found,) = measured.rows(plan(frames=(5, 9)))
    assert found.case.frames == 5
    assert "positions end at 2" in measured.left_out[str(replace(CASE, frames=9))]


def test_without_stock(tiny: Checkpoint) -> None:
    """Ours alone."""
    (found,) = bench(FromCheckpoint(tiny)).rows(plan(stock=False))
    assert found.stock is None
    assert found.facts()["stock"] is None


# Full size.


def test_full_size_with_smaller_figures() -> None:
    """The same way from the architecture to a row, with a fast and a quality profile over the same modules."""
    fast, quality = (
        Profile.model_validate(load(name).model_dump() | changes)
        for name, changes in (
            ("fast", {"text_tokens": 16, "dtype": "float32"}),
            ("quality", {"text_tokens": 16, "dtype": "float32", "steps": 2}),
        )
    )
    measured = bench(FullSize(changes=SMALL))
    found = list(measured.rows(plan(fast, quality, modes=("text", "image"))))
    assert [(each.case.profile, each.case.mode) for each in found] == [
        ("fast", "text"),
        ("quality", "text"),
        ("quality", "image"),
    ]
    for each in found:
        assert each.ours.turns
        assert each.stock is not None
        assert each.stock.turns
        assert any("dB" in note for note in each.ours.notes)


def test_what_full_size_costs() -> None:
    """24 GB of weights in bfloat16 (the VAE in float32), and the handbook's FLOPs at the given rate."""
    fast = load("fast")
    case = Case(profile="fast", mode="text", width=832, height=480, frames=73, batch=1)
    found = cost([case], {"fast": fast}, turns=2, ceiling=1e12)
    assert found.bytes == pytest.approx(24.2e9, rel=0.02)
    assert found.seconds > 2 * 3 * 87
    assert "GiB for the weights alone" in str(found)


# Switches.


@pytest.fixture
def ground(tiny: Checkpoint) -> Ground:
    """The tiny checkpoint, one round."""
    used = profile()
    return Ground(parts=FromCheckpoint(tiny).parts(used, CPU), profile=used, case=CASE, device=CPU, rounds=1)


@pytest.mark.parametrize("switch", [each for each in SWITCHES if "compiled" not in each.name], ids=lambda s: s.name)
def test_every_switch_is_measured(ground: Ground, switch: Any) -> None:
    """Off and on, a ratio, and what was predicted, from where."""
    found = gain(switch, ground)
    facts = found.facts()
    assert found.ratio.p50 > 0
    assert facts["predicted"] == switch.predicted.cpu
    assert facts["source"]
    assert len(found.off.values) == len(found.on.values) == 1


def test_switches_that_are_left_out(tiny: Checkpoint) -> None:
    """Compiling unless it is asked for; the step cache without a profile of many steps. Names are their own."""
    names = [switch.name for switch in SWITCHES]
    assert len(set(names)) == len(names)
    few: dict[str, Any] = {"sampler": "few-step", "timesteps": [1000, 757, 522], "guidance": 1.0, "modes": ["text"]}
    measured = bench(FromCheckpoint(tiny))
    found = {each.switch.name for each in measured.gains(plan(profile(**few)))}
    left_out = {name.removeprefix("switch: ") for name in measured.left_out}
    assert left_out == {"step cache", "compiled blocks", "compiled decoder"}
    assert found == set(names) - left_out
