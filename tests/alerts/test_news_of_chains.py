"""A router behind one that is down is told with it; by itself only when it outlasts that one."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.alerting.alerts import Alert, with_roots
from worker.core.alerting.notifications import (
    GRACE_MS,
    QUIET_MS,
    SETTLE_MS,
    Mute,
    body_of,
    notices_of,
    title_of,
)

NOW = 1_800_000_000_000
MINUTE = 60_000
BEHIND = {"R2": "R1", "R3": "R2", "R4": "R2"}
LASTS_MS = 150_000


def down(*routers, notified=True):
    return [Alert("router-down", router, "no answer", NOW, notified=notified) for router in routers]


@dataclass
class Mailbox:
    """Somebody who is told, round by round."""

    now_ms: int = NOW
    notified: dict = field(default_factory=dict)
    notices: object = None

    def hears(self, alerts, after_ms=0, mutes=()):
        """The words of the message of one round; empty: there is none."""
        self.now_ms += after_ms
        self.notices = notices_of(with_roots(alerts, BEHIND), self.notified, mutes, self.now_ms)
        self.notified = self.notices.notified
        return (
            ""
            if self.notices.empty
            else f"{title_of(self.notices, 'acme')}\n{body_of(self.notices)}"
        )


@pytest.fixture
def mailbox():
    return Mailbox()


def test_the_root_is_the_first_that_is_down_on_the_way():
    alerts = [*down("R4", "R2", "R1"), Alert("drift", "R3", "2 rows", NOW)]
    assert [alert.root for alert in with_roots(alerts, BEHIND)] == [
        "router-down|R1",
        "router-down|R1",
        "",
        "",
    ]
    # the one between is up, as far as anybody knows
    assert with_roots(down("R1", "R3"), BEHIND)[1].root == "router-down|R1"
    assert with_roots(down("R2", "R3"), BEHIND)[1].root == "router-down|R2"
    assert [alert.root for alert in with_roots(down("R3", "R4"), BEHIND)] == ["", ""]


def test_one_message_names_the_root_and_what_is_behind_it(mailbox):
    message = mailbox.hears([*down("R3", "R2", "R1")])
    assert message.startswith("Leasewire acme: critical: router-down R1\n")
    assert "unreachable behind it: 2 routers: R3, R2" in message
    assert mailbox.hears(down("R1", "R2", "R3", "R4"), 2 * QUIET_MS) == ""


def test_many_are_a_few_names_and_a_number():
    names = [f"S{n}" for n in range(9)]
    alerts = with_roots(down("R1", *names), dict.fromkeys(names, "R1"))
    message = body_of(notices_of(alerts, {}, [], NOW))
    assert "unreachable behind it: 9 routers: S0, S1, S2, S3, S4 and 4 more" in message


def test_it_waits_for_a_root_that_is_found_down_later_than_itself(mailbox):
    assert mailbox.hears([*down("R2"), *down("R1", notified=False)]) == ""
    message = mailbox.hears(down("R2", "R1"), LASTS_MS)
    assert message.startswith("Leasewire acme: critical: router-down R1\n")
    assert "behind it: 1 router: R2" in message


def test_one_that_has_not_lasted_yet_is_named_too(mailbox):
    message = mailbox.hears([*down("R1"), *down("R2", notified=False)])
    assert "behind it: 1 router: R2" in message


def test_an_alert_notified_by_itself_is_not_notified_again_with_its_root(mailbox):
    assert "router-down R2" in mailbox.hears(down("R2"))
    message = mailbox.hears(down("R2", "R1"), MINUTE)
    assert message.startswith("Leasewire acme: critical: router-down R1\n")
    assert "R2" not in message


def test_both_back_is_one_message(mailbox):
    mailbox.hears(down("R1", "R2"))
    assert mailbox.hears([], MINUTE) == ""
    message = mailbox.hears([], SETTLE_MS)
    assert message.startswith("Leasewire acme: resolved: router-down R1\n")
    assert "R2" not in message
    assert mailbox.notified.keys() == {"router-down|R1"}


def test_an_alert_that_outlasts_its_root_is_notified_after_a_grace_time(mailbox):
    mailbox.hears(down("R1", "R2"))
    assert mailbox.hears(down("R2"), MINUTE) == ""
    message = mailbox.hears(down("R2"), SETTLE_MS)
    assert message.startswith("Leasewire acme: resolved: router-down R1\n")
    assert "still unreachable behind it: 1 router: R2" in message
    assert "in 10 minutes" in message
    assert mailbox.hears(down("R2"), GRACE_MS - SETTLE_MS - 1) == ""
    assert mailbox.hears(down("R2"), 1).startswith("Leasewire acme: critical: router-down R2\n")
    assert mailbox.hears([], MINUTE) == ""
    message = mailbox.hears([], SETTLE_MS)
    assert message.startswith("Leasewire acme: resolved: router-down R2\n")


def test_the_one_between_becomes_the_root_when_the_first_is_back(mailbox):
    mailbox.hears(down("R1", "R2", "R3"))
    mailbox.hears(down("R2", "R3"), MINUTE)
    mailbox.hears(down("R2", "R3"), SETTLE_MS)
    message = mailbox.hears(down("R2", "R3"), GRACE_MS)
    assert message.startswith("Leasewire acme: critical: router-down R2\n")
    assert "behind it: 1 router: R3" in message


def test_an_alert_notified_with_one_root_is_not_notified_with_the_next(mailbox):
    assert "behind it: 1 router: R3" in mailbox.hears(down("R2", "R3"))
    message = mailbox.hears(down("R1", "R2", "R3"), MINUTE)
    assert message.startswith("Leasewire acme: critical: router-down R1\n")
    assert "R3" not in message


def test_a_short_root_delays_its_alerts_for_the_grace_time_only(mailbox):
    heard = []
    for minute in range(20):
        root = down("R1", notified=False) if minute % 2 == 0 else []
        heard += [minute] if mailbox.hears([*down("R2"), *root], MINUTE) else []
    assert heard == [10]


def test_a_muted_root_mutes_what_is_behind_it(mailbox):
    mute = Mute("router-down", "R1", NOW + QUIET_MS, "ann", "new mast")
    assert mailbox.hears(down("R1", "R2"), mutes=[mute]) == ""
    assert mailbox.hears(down("R1", "R2"), GRACE_MS, [mute]) == ""
    assert "behind it: 1 router: R2" in mailbox.hears(down("R1", "R2"), QUIET_MS)


def test_one_that_is_muted_itself_is_not_named(mailbox):
    mute = Mute("router-down", "R2", NOW + QUIET_MS, "ann", "new mast")
    assert "R2" not in mailbox.hears(down("R1", "R2"), mutes=[mute])
    assert mailbox.hears(down("R2"), SETTLE_MS, [mute]) == ""
    assert "router-down R2" in mailbox.hears(down("R2"), QUIET_MS + GRACE_MS)


def test_an_earlier_version_ignores_new_fields_of_notifications(mailbox):
    """It lets go of what is over without a word."""
    mailbox.hears(down("R1", "R2"))
    noted = {
        name: notice for name, notice in mailbox.notified.items() if name.startswith("through|")
    }
    assert [notice.resolved for notice in noted.values()] == [True]
    assert not set(noted) & {alert.name for alert in down("R1", "R2")}


ROUTERS = sorted({*BEHIND, *BEHIND.values()})


@given(st.lists(st.tuples(st.sets(st.sampled_from(ROUTERS)), st.integers(1, 12)), max_size=40))
def test_each_alert_is_notified_by_itself_or_through_its_root_never_both(rounds):
    """A model by messages alone; a round is half a minute, repeated as often as drawn."""
    mailbox = Mailbox()
    since, by_itself, through, unheard = {}, set(), {}, dict.fromkeys(ROUTERS, 0)
    spans = [*rounds, (rounds[-1][0] if rounds else set(), (QUIET_MS + 2 * GRACE_MS) // 30_000)]
    for routers, times in spans:
        for _ in range(times):
            mailbox.now_ms += 30_000
            now_ms = mailbox.now_ms
            since = {router: since.get(router, now_ms) for router in sorted(routers)}
            lasted = {router for router in since if now_ms - since[router] >= LASTS_MS}
            alerts = [a for router in since for a in down(router, notified=router in lasted)]
            mailbox.hears(alerts)
            begun = {alert.subject for alert in mailbox.notices.opened}
            named = {
                subject: name.partition("|")[2]
                for name, subjects in mailbox.notices.behind.items()
                for subject in subjects
                if name.partition("|")[2] in begun
            }
            # nobody is told of one twice, in one message or by two while it lasts
            assert not begun & named.keys()
            assert not (begun | named.keys()) & by_itself
            through = {
                router: root for router, root in through.items() if {router, root} <= since.keys()
            }
            assert not begun & through.keys()  # only what outlasts its root is told after all
            over = {name.partition("|")[2] for name, _ in mailbox.notices.resolved}
            by_itself = (by_itself | begun) - over
            through |= named
            # whoever hears of neither it nor one on its way does so only for a while
            for router in ROUTERS:
                way, one = {router}, router
                while one := BEHIND.get(one, ""):
                    way.add(one)
                heard = way & by_itself & since.keys()
                unheard[router] = 0 if heard or router not in since else unheard[router] + 30_000
                assert unheard[router] <= LASTS_MS + QUIET_MS + GRACE_MS
