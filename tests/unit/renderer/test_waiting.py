"""What the metrics say of requests that wait before a stage."""

from __future__ import annotations

from collections.abc import Callable

from consumer.observe import metrics as m
from tests.unit.renderer.conftest import SECONDS, Bench, recipe, request
from tests.unit.renderer.test_engine_failures import Gate, await_queue

STAGES = ("intake", "lookup", "render", "finish")


def test_requests_that_wait_for_the_engine_are_seen_and_then_gone(bench: Callable[..., Bench]) -> None:
    """The gauge is the queue's length whenever it is asked for: two behind a busy engine, none at the end."""
    gate = Gate()
    one = bench(gate)
    try:
        for offset in range(3):
            one.send(request(f"p{offset}", made_of=recipe(offset)), offset)
            assert gate.begun.wait(SECONDS)
        await_queue(one, 2)
        assert one.metrics.value(m.STAGE_WAITING, role="renderer", stage="render") == 2
    finally:
        gate.go.set()
    for offset in range(3):
        one.settler.event(offset)
    waiting = [one.metrics.value(m.STAGE_WAITING, role="renderer", stage=stage) for stage in STAGES]
    assert waiting == [0, 0, 0, 0]


def test_a_dresser_has_no_queue_before_an_engine(bench: Callable[..., Bench]) -> None:
    """Its page names the stages that it has, and no other."""
    page = bench(dresser=True).metrics.page().decode()
    named = [f'skureel_stage_waiting{{role="dresser",stage="{stage}"}}' in page for stage in STAGES]
    assert named == [True, True, False, True]
