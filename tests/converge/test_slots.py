"""Routers that are not known to answer get a quarter of the threads, however they come and go."""

from contextlib import ExitStack

from worker.convergence.concurrency import PROVEN_S, ConcurrencyLimiter


class Time:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_unproven_get_a_quarter_and_the_proven_all():
    slots = ConcurrencyLimiter(16)
    with slots.take("good") as place:
        place.proven()
    with ExitStack() as stack:
        places = [stack.enter_context(slots.take(f"R{n}")) for n in range(6)]
        assert [place is not None for place in places] == [True] * 4 + [False] * 2
        with slots.take("good") as good:
            assert good is not None
    with slots.take("R5") as late:
        assert late is not None


def test_who_answers_gives_its_place_to_the_next():
    slots = ConcurrencyLimiter(4)
    with slots.take("R1") as first:
        first.proven()
        first.proven()
        with slots.take("R2") as second, slots.take("R3") as third:
            assert second is not None
            assert third is None
    with slots.take("R3") as third:
        assert third is not None


def test_who_fails_or_was_silent_for_long_is_one_of_the_few_again():
    clock = Time()
    slots = ConcurrencyLimiter(4, clock)
    for router in ("R1", "R2"):
        with slots.take(router) as place:
            place.proven()
            if router == "R2":
                place.failed()
    with slots.take("R3"):
        with slots.take("R1") as place:
            assert place is not None
        with slots.take("R2") as place:
            assert place is None
        clock.now += PROVEN_S
        with slots.take("R1") as place:
            assert place is None


def test_one_thread_is_enough_for_a_probe():
    with ConcurrencyLimiter(1).take("R1") as place:
        assert place is not None
