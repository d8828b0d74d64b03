"""PPPoE services, and a small installation whose router R1 has PPP secrets."""

import secrets
from dataclasses import replace
from pathlib import Path

from contracts.sealing import Sealer, sealed_event
from tests import builders
from tests.outcomes.test_effects import Watched
from worker.core.effect.watch import EffectWatch

SECRET, ACTIVE, PROFILE = "/ppp/secret", "/ppp/active", "/ppp/profile"
LISTS = "/ip/firewall/address-list"
POLICY = 'entries = "ppp-secret"\nsuspend_list = "suspended"\nlabel = true'
PLANS = '[plans.gold]\nprofile = "p-gold"\n[plans.silver]\nprofile = "p-silver"'


def key():
    return secrets.token_hex(64)


def login(number=1, password=None):
    return {"name": f"user{number}@isp", "password": password or f"pw {number}"}


def block(number=1, *, ppp=None, pool=None, **fields):
    """A `service` block without a device."""
    found = builders.service_block(server=None, ipv4=builders.ipv4(number), pool=pool, **fields)
    del found["device"]
    return {**found, "ppp": ppp or login(number)}


def activated(number=1, *, revision=1, **fields):
    service = block(number, **fields)
    return builders.event("activated", f"SVC-{number}", revision=revision, service=service)


def ppp_changed(number=1, *, revision=2, **ppp):
    login_ = {**login(number), **ppp}
    return builders.event("ppp_changed", f"SVC-{number}", revision=revision, ppp=login_)


class PppInstallation(Watched):
    """With keys; events are sealed as a publisher seals them."""

    def __init__(self, directory: Path, lines="", keys=None, **options):
        self.key_file = directory / "secret-keys"
        self.key_file.write_text("\n".join(keys or [key()]))
        options.setdefault("tables", PLANS)
        settings = {"SECRET_KEYS_FILE": str(self.key_file), **options.pop("settings", {})}
        lines = {"R1": f"{POLICY}\n{lines}"}
        super().__init__(1, router_lines=lines, settings=settings, **options)

    def load(self):
        for name in ("p-gold", "p-silver", "walled"):
            if not any(row["name"] == name for row in self.r["R1"].rows(PROFILE)):
                rate = {"p-gold": "10M/50M", "p-silver": "5M/20M"}.get(name, "")
                self.r["R1"].add_row(PROFILE, {"name": name, "rate-limit": rate})
        super().load()

    @property
    def sealer(self):
        return Sealer.from_text(self.key_file.read_text())

    def apply(self, *events, routers=()):
        return super().apply(*[sealed_event(event, self.sealer)[0] for event in events])

    def age(self, seconds):
        """Let the changes be older than the sessions that began after them."""
        for member, text in self.client.hgetall(self.store.keys.watches).items():
            watch = EffectWatch.from_text(text)
            older = replace(watch, applied_ms=watch.applied_ms - round(seconds * 1000))
            self.client.hset(self.store.keys.watches, member, older.to_text())

    def seal(self, event):
        return sealed_event(event, self.sealer)[0]

    def secret(self, number=1):
        """The secret of a service; None: it has none."""
        tag = f"leasewire:acme:SVC-{number}"
        rows = [r for r in self.r["R1"].rows(SECRET) if r.get("comment", "").startswith(tag)]
        assert len(rows) < 2
        return rows[0] if rows else None

    def sessions_of(self, number=1):
        name = login(number)["name"]
        return [row for row in self.r["R1"].rows(ACTIVE) if row["name"] == name]
