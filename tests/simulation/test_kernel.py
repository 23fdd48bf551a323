"""The clock: the order of what is due at one time, and runs in steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lob_sim.simulation.kernel import Kernel, ScheduledCall


def test_order_at_one_time_is_urgent_first_then_as_asked_for() -> None:
    kernel, seen = Kernel(), []

    def note(call: ScheduledCall) -> None:
        seen.append((kernel.now_ns, call.payload))

    kernel.call_in(5, note, "a")
    kernel.call_in(5, note, "b")
    kernel.call_first_in(5, note, "world")
    kernel.call_in(4, note, "early")
    kernel.call_in(0, note, "now")
    kernel.run_until(10)
    assert seen == [(0, "now"), (4, "early"), (5, "world"), (5, "a"), (5, "b")]
    assert kernel.now_ns == 10


def test_calls_made_at_a_time_come_after_those_made_before_for_it() -> None:
    kernel, seen = Kernel(), []

    def first(call: ScheduledCall) -> None:
        seen.append("first")
        kernel.call_in(0, lambda _: seen.append("asked for by first"))

    kernel.call_in(3, first)
    kernel.call_in(3, lambda _: seen.append("second"))
    kernel.run_until(4)
    assert seen == ["first", "second", "asked for by first"]


def test_nothing_due_at_the_end_is_processed_urgent_or_not() -> None:
    kernel, seen = Kernel(), []
    kernel.call_in(7, lambda _: seen.append("plain"))
    kernel.call_first_in(7, lambda _: seen.append("urgent"))
    kernel.run_until(7)
    assert seen == []
    assert kernel.now_ns == 7
    kernel.run_until(7)
    assert seen == []
    kernel.run_until(8)
    assert seen == ["urgent", "plain"]


@given(
    calls=st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 3)), max_size=12),
    stops=st.lists(st.integers(0, 20), max_size=6),
)
def test_a_run_in_steps_is_the_run_in_one_go(calls: list[tuple[int, bool, int]], stops: list[int]) -> None:
    def course(ends: list[int]) -> list[tuple[int, int]]:
        kernel, seen = Kernel(), []

        def act(call: ScheduledCall) -> None:
            number, again = call.payload
            seen.append((kernel.now_ns, number))
            if again:
                # Every second one is urgent, so that urgent calls are also scheduled while the run goes on.
                once_more = kernel.call_first_in if again % 2 else kernel.call_in
                once_more(3, act, (number, again - 1))

        for number, (delay, urgent, again) in enumerate(calls):
            (kernel.call_first_in if urgent else kernel.call_in)(delay, act, (number, again))
        for end in ends:
            kernel.run_until(end)
        return seen

    assert course([*sorted(stops), 20]) == course([20])
