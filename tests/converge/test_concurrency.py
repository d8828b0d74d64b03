"""Routers that are not known to answer get a quarter of the threads, however they come and go."""

from contextlib import ExitStack

from worker.convergence.concurrency import PROVEN_S, ConcurrencyLimiter


class Time:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_unproven_get_a_quarter_and_the_proven_all():
    limiter = ConcurrencyLimiter(16)
    with limiter.permit("good") as permit:
        permit.proven()
    with ExitStack() as stack:
        permits = [stack.enter_context(limiter.permit(f"R{n}")) for n in range(6)]
        assert [permit is not None for permit in permits] == [True] * 4 + [False] * 2
        with limiter.permit("good") as good:
            assert good is not None
    with limiter.permit("R5") as late:
        assert late is not None


def test_who_answers_gives_its_place_to_the_next():
    limiter = ConcurrencyLimiter(4)
    with limiter.permit("R1") as first:
        first.proven()
        first.proven()
        with limiter.permit("R2") as second, limiter.permit("R3") as third:
            assert second is not None
            assert third is None
    with limiter.permit("R3") as third:
        assert third is not None


def test_who_fails_or_was_silent_for_long_is_one_of_the_few_again():
    clock = Time()
    limiter = ConcurrencyLimiter(4, clock)
    for router in ("R1", "R2"):
        with limiter.permit(router) as permit:
            permit.proven()
            if router == "R2":
                permit.failed()
    with limiter.permit("R3"):
        with limiter.permit("R1") as permit:
            assert permit is not None
        with limiter.permit("R2") as permit:
            assert permit is None
        clock.now += PROVEN_S
        with limiter.permit("R1") as permit:
            assert permit is None


def test_one_thread_is_enough_for_a_probe():
    with ConcurrencyLimiter(1).permit("R1") as permit:
        assert permit is not None
