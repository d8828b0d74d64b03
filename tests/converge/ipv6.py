"""An installation whose routers delegate prefixes, and services with IPv6."""

from contextlib import contextmanager

from tests import builders
from tests.converge.queues import ipv4
from tests.small_installation import SERVER, SmallInstallation
from worker.convergence.concurrency import BackOff, PassLimits
from worker.routeros.sessions import Sessions
from worker.watching.unknown_devices import Watch

BINDING, LIST6, SERVER6 = (
    "/ipv6/dhcp-server/binding",
    "/ipv6/firewall/address-list",
    "/ipv6/dhcp-server",
)
OLD, NEW = "7.15.3", "7.24"
"""Before and after 7.17: kinds of bindings, and pools of prefixes by themselves."""
DUID, OTHER = "0x0003000100005e005301", "0x0003000100005e005302"
"""DUID-LL of the devices with numbers 1 and 2."""
PREFIX, SECOND = "2001:db8:1:100::/56", "2001:db8:1:200::/56"
POOL = {"name": "p6", "prefix": "2001:db8:ff00::/48", "prefix-length": "56"}
_QUICK = PassLimits(back_off=BackOff(0.1, 1.0, 1.0))


@contextmanager
def installation(version=NEW, transport="api-ssl", routers=1, **options):
    """Simulated routers with a DHCPv6 server each, reached as `transport` says."""
    simulator = {"version": version, "rest_port": 0 if transport == "rest" else None}
    options = {"simulator": simulator, "limits": _QUICK, **options}
    with SmallInstallation(routers, **options) as here:
        for name, router in here.r.items():
            add_server6(router)
            if transport == "rest":
                here.router_lines[name] = f'transport = "rest"\n{here.router_lines.get(name, "")}'
        if transport == "rest":
            over_rest(here)
        yield here


def over_rest(here):
    """Reach the routers over REST from now on."""
    here.write_inventory()
    text = here.inventory_path.read_text()
    for router in here.r.values():
        text = text.replace(f"port = {router.api_ssl_port}", f"port = {router.rest_port}")
    here.inventory_path.write_text(text)
    here.load()


def add_server6(router):
    router.add_row("/ipv6/pool", POOL)
    pool = "prefix-pool" if router.version == NEW else "address-pool"
    router.add_row(SERVER6, {"name": "six", "interface": "vlan-32", pool: "p6"})


def active(service_id="SVC-1", number=1, *, prefix=PREFIX, revision=1, **given):
    """Activate a service with IPv6; `duid`, `iaid` and `address` go into its IPv6."""
    own = {name: given.pop(name) for name in ("duid", "iaid", "address") if name in given}
    return builders.activated(
        service_id,
        mac=builders.mac(number),
        ipv4=ipv4(number + 9),
        router=given.pop("router", "R1"),
        server=SERVER,
        revision=revision,
        ipv6={"prefix": {"mode": "static", "ipv6": prefix}, **own},
        **given,
    )


def say(here, event):
    """Fold an event and let passes work; returns its outcome."""
    here.say(event)
    here.drain()
    return here.outcome(event)


def bindings(here, router="R1"):
    """The bindings of a router as (prefix, DUID, IAID, dynamic), by their comment."""
    return {
        row.get("comment", ""): (row["address"], row["duid"], row["iaid"], row["dynamic"])
        for row in here.r[router].rows(BINDING)
    }


def own(here, router="R1", service_id="SVC-1"):
    """The row of a service."""
    tag = f"leasewire:acme:{service_id}"
    (row,) = (row for row in here.r[router].rows(BINDING) if row.get("comment") == tag)
    return row


def listed6(here, router="R1"):
    return {(row["list"], row["address"]) for row in here.r[router].rows(LIST6)}


def unclear(here):
    """The open alerts of clients that cannot be told."""
    alerts = here.store.alerts.all_open()
    return [alert.subject for alert in alerts if alert.kind == "ipv6-client-ambiguous"]


@contextmanager
def watching(here):
    """Gives what lets the watch do one round and the passes what follows from it."""
    sessions = Sessions(here.inventory, here.settings)
    watch = Watch(here.store, sessions, here.policies, 1.0)

    def look():
        here.client.delete(*(here.store.keys.watched(name) for name in here.policies))
        watch.once()
        here.drain()

    yield look
    sessions.close_all()
