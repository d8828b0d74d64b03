"""What routers must hold after some events, from the contract alone: it shares no code with ours.

By contracts/README.md, and docs/reference/routers-toml.md for what a policy says.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tests.simulation.forms import kind_at, rows_at

LISTED = "suspended"
"""The address list of suspended services, where the history has lists."""
LISTED6 = "leasewire-suspended"
"""That of IPv6 prefixes where the inventory names none."""
RATES = {"HOME-50": "10M/50M", "HOME-100": "20M/100M"}
PROFILES = {"HOME-50": "home-50", "HOME-100": "home-100"}
"""Of plans, on the router that has secrets."""
WALLED = "walled"
"""The profile of suspended services there, where the history has no lists."""
THROTTLE = "64k/64k"


class Wanted(NamedTuple):
    """The rows of a service on a router.

    Attributes:
        device, address, server, blocked, rate: of its row; the address is the name of a pool where
            Leasewire assigns it.
        lists: the address lists that have its address, and that have its prefix.
        queue: the rate of its own queue.
        bindings: prefix, DUID and IAID of each.
        login: password, profile and prefix of its secret.
    """

    device: str
    address: str
    server: str
    blocked: bool
    rate: str = ""
    lists: tuple[str, ...] = ()
    queue: str = ""
    bindings: tuple[tuple[str, str, str], ...] = ()
    login: tuple[str, ...] = ()


def wanted_rows(
    events: Iterable[Mapping[str, Any]], features: Collection[str]
) -> dict[str, dict[str, Wanted]]:
    """Router -> service, or its further device as `S/2` -> its rows, in any order of the events.

    Args:
        events: that were not refused; of each service the one with the highest revision, or the
            latest time, was said last.
        features: of the history; they say what the policies of its routers are.
    """
    said: dict[str, dict[Any, Mapping[str, Any]]] = {}
    lists = []
    for event in events:
        data = event["data"]
        if "service_id" not in data:
            lists.append(event)
            continue
        order = data.get("revision") or datetime.fromisoformat(event["time"])
        said.setdefault(data["service_id"], {})[order] = event
    found: dict[str, dict[str, Wanted]] = {}
    for service, by_order in said.items():
        in_order = [by_order[order] for order in sorted(by_order)]
        state = _state(in_order)
        _end(service, state, in_order, lists)
        if state.get("on"):
            at = found.setdefault(rows_at(state["router"], features), {})
            for member, its in _members(service, state):
                rows = _rows(its, frozenset(features))
                at |= {} if rows is None else {member: rows}
    return found


def _end(
    service: str,
    state: dict[str, Any],
    events: list[Mapping[str, Any]],
    lists: Iterable[Mapping[str, Any]],
) -> None:
    """End a service that its source does not list, if it did not change lately."""
    source, last = events[-1]["source"], max(datetime.fromisoformat(e["time"]) for e in events)
    manifests: dict[str, list[Mapping[str, Any]]] = {}
    for part in lists:
        if part["source"] == source:
            manifests.setdefault(part["data"]["manifest_id"], []).append(part["data"])
    for parts in manifests.values():
        whole = {part["part"] for part in parts} == set(range(1, parts[0]["parts"] + 1))
        listed = {each["service_id"] for part in parts for each in part["services"]}
        taken_at = datetime.fromisoformat(parts[0]["taken_at"])
        if whole and service not in listed and last <= taken_at - timedelta(minutes=5):
            if parts[0]["missing"] == "cancel":
                state["on"] = False
            elif state.get("on") and state["suspended"] is None:
                state["suspended"] = {}


def _state(events: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The end of one service, whose events are given in order.

    What is dated takes effect at its moment, in the order of the moments. A newer event about the
    same supersedes it, a cancellation and an activation all that is older; a snapshot does not.
    """
    state: dict[str, Any] = {}
    dated: list[tuple[datetime, int, Mapping[str, Any]]] = []
    for place, event in enumerate(events):
        name = _name(event)
        if "effective_at" in event["data"]:
            dated.append((datetime.fromisoformat(event["data"]["effective_at"]), place, event))
            continue
        _apply(state, name, event["data"])
        if name in ("activated", "cancelled"):
            dated.clear()
        elif name in ("suspended", "resumed"):
            dated = [each for each in dated if _name(each[2]) not in ("suspended", "resumed")]
    dated.sort(key=lambda each: each[:2])
    while dated:
        _, place, event = dated.pop(0)
        _apply(state, _name(event), event["data"])
        if _name(event) == "cancelled":
            dated = [each for each in dated if each[1] > place]
    return state


def _members(service: str, state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each device of a service, as if it were a service: but the first alone has IPv6."""
    yield service, state
    for number, device in state["more"].items():
        its = {"device": device, "address": device["address"], "ipv6": None}
        yield f"{service}/{number}", {**state, **its}


def _name(event: Mapping[str, Any]) -> str:
    name: str = event["type"].split(".")[-2]
    return name


def _apply(  # noqa: C901, PLR0912 - one case an event
    state: dict[str, Any], name: str, data: Mapping[str, Any]
) -> None:
    match name:
        case "activated" | "snapshot":
            block = data["service"]
            state |= {
                "on": True,
                "router": block["access"]["router"],
                "server": block["access"]["dhcp_server"],
                "device": block["device"],
                "ppp": block.get("ppp"),
                "address": block["address"],
                "suspended": None if block["status"] == "active" else {},
                "plan": block.get("plan"),
                "ipv6": block.get("ipv6"),
                "more": {each["number"]: each for each in block.get("devices", ())},
            }
        case "mac_changed":
            state["device"] = {**state["device"], "mac": data["mac"]}
        case "device_swapped":
            state["device"] = data["device"]
            state["ipv6"] = data.get("ipv6", state.get("ipv6"))
        case "device_added":
            state["more"] = {**state["more"], data["device"]["number"]: data["device"]}
        case "device_removed":
            state["more"] = {n: each for n, each in state["more"].items() if n != data["number"]}
        case "ppp_changed":
            state["ppp"] = data["ppp"]
        case "moved":
            state["router"] = data["access"]["router"]
            state["server"] = data["access"].get("dhcp_server", state.get("server"))
        case "suspended":
            state["suspended"] = data.get("suspension", {})
        case "resumed":
            state["suspended"] = None
        case "plan_changed":
            state["plan"] = data["plan"]
        case "address_changed":
            state["address"] = data["address"]
        case "cancelled":
            state["on"] = False
        case _:
            raise ValueError(f"the oracle does not know {name}")


def _rows(state: Mapping[str, Any], features: frozenset[str]) -> Wanted | None:
    """What a service has on its router; None: it is suspended, and has no entry of a MAC server."""
    address = state["address"].get("ipv4") or state["address"]["pool"]
    kind = kind_at(rows_at(state["router"], features), features)
    device = f"mac:{state['device']['mac']}"
    if kind == "entries":
        suspended = state["suspended"] is not None
        return None if suspended else Wanted(device, address, "", blocked=False)
    if kind == "secrets":
        return _secret(state, address, features)
    ids = [state["device"].get(name, "") for name in ("circuit_id", "remote_id")]
    if kind == "ids" and any(ids):
        device = f"option-82:{'+'.join(ids)}"
    how = None
    if state["suspended"] is not None:
        usual = "walled_garden" if "lists" in features else "block"
        can = {"block", *(["walled_garden"] if "lists" in features else [])}
        can |= {"throttle"} if "plans" in features else set()
        asked = state["suspended"].get("mode") or usual
        how = asked if asked in can else usual
    rate = RATES[state["plan"]["code"]] if "plans" in features and state["plan"] else ""
    rate = THROTTLE if how == "throttle" else rate
    if kind == "users":  # all that it has is in its attributes
        listed = (LISTED,) if how == "walled_garden" else ()
        return Wanted(device, address, "", how == "block", rate, listed)
    lists = [LISTED] if how == "walled_garden" else []
    bindings = []
    if state["ipv6"]:
        bindings.append(
            (
                state["ipv6"]["prefix"]["ipv6"],
                f"0x{state['ipv6']['duid']}",
                str(state["ipv6"]["iaid"]),
            )
        )
        of_prefix = LISTED if "lists" in features else LISTED6
        lists += [f"{of_prefix} (IPv6)"] if how in ("block", "walled_garden") else []
    by_queue = "queues" in features and "plans" in features
    return Wanted(
        device,
        address,
        state["server"],
        how == "block",
        "" if by_queue else rate,
        tuple(lists),
        rate if by_queue else "",
        tuple(bindings),
    )


def _secret(state: Mapping[str, Any], address: str, features: frozenset[str]) -> Wanted:
    """What a service has on a router of PPPoE; a profile that nobody names is `default`."""
    how = None
    by_queue = {"plans", "queues"} <= features
    if state["suspended"] is not None:
        throttles = "lists" not in features or by_queue
        can = {"block", "walled_garden", *(["throttle"] if throttles else [])}
        asked = state["suspended"].get("mode") or "walled_garden"
        how = asked if asked in can else "walled_garden"
    rate, profile = "", "default"
    if "plans" in features and state["plan"]:
        profile = PROFILES[state["plan"]["code"]]
        rate = RATES[state["plan"]["code"]]
    if "lists" not in features and how in ("walled_garden", "throttle"):
        profile = WALLED
    prefix = state["ipv6"]["prefix"]["ipv6"] if state["ipv6"] else ""
    return Wanted(
        f"name:{state['ppp']['name']}",
        address,
        "",
        how == "block",
        "",
        (LISTED,) if "lists" in features and how == "walled_garden" else (),
        (THROTTLE if how == "throttle" else rate) if by_queue else "",
        (),
        (state["ppp"]["password"], profile, prefix if prefix.endswith("/64") else ""),
    )
