"""What a gateway was attacked with, and what must come: `python -m tests.gateway.attacks`.

Each row is one attack on an installation of its own. `then` is what came before it was closed.
"""

import hashlib
import hmac
import json
import multiprocessing
import random
import select
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from tests import builders
from tests.gateway.asking import STRUCTURED
from tests.gateway.floods import Waits, ask, on_core
from tests.gateway.hostile import HEALTH_S, MEMORY_KB, SECRET, A, B, Target, target
from tests.waiting import eventually

_MIB: Final = 1024 * 1024
_WAIT_S: Final = 15


class Seen(NamedTuple):
    """What came."""

    message: str
    refused: bool


class Attack(NamedTuple):
    """One row."""

    name: str
    sent: str
    then: str
    run: Callable[[Target], Seen]


def raw(at: Target, *pieces: bytes) -> bytes:
    """What is answered to these bytes; nothing where the gateway hung up."""
    heard = b""
    with socket.create_connection(("127.0.0.1", at.port), _WAIT_S) as caller:
        try:
            for piece in pieces:
                if select.select([caller], [], [], 0)[0]:
                    break  # it is answered already
                caller.sendall(piece)
            while b"\r\n\r\n" not in heard and (more := caller.recv(65_536)):
                heard += more
        except ConnectionError:
            pass  # it hung up
    return heard


def status_of(answer: bytes) -> str:
    """The status code; `hung up` for nothing."""
    return answer[9:12].decode() or "hung up"


def _heads(path: str, length: int, more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def large_body(path: str, made: Callable[[], bytes]) -> Callable[[Target], Seen]:
    """A body without a key, in pieces; it is made when it is sent."""

    def run(at: Target) -> Seen:
        body = made()
        pieces = [body[n : n + _MIB] for n in range(0, len(body), _MIB)]
        answer = status_of(raw(at, _heads(path, len(body)), *pieces))
        return Seen(answer, answer in {"401", "413", "hung up"})  # what came may be lost with it

    return run


def deep() -> bytes:
    """60 MiB that open lists."""
    return b'{"digest":[' + b"[]," * (20 * _MIB) + b"[]]}"


def large_head(*pieces: bytes) -> Callable[[Target], Seen]:
    """A head that is larger than any may be."""

    def run(at: Target) -> Seen:
        answer = status_of(raw(at, b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *pieces))
        return Seen(answer, answer in {"431", "hung up"})

    return run


def unsigned_hooks(at: Target) -> Seen:
    """Rightly signed webhooks beside a flood of wrong ones."""
    wrong: list[int] = []

    def strike() -> None:
        with httpx.Client(base_url=at.url) as client:
            for _ in range(200):
                headers = {"X-Signature": "sha256=00"}
                wrong.append(client.post("/v1/hooks/generic/billing", headers=headers).status_code)

    taken = 0
    with ThreadPoolExecutor(2) as pool, httpx.Client(base_url=at.url) as vendor:
        strikes = [pool.submit(strike) for _ in range(2)]
        for number in range(30):
            body = json.dumps({"action": "note", "service": "A-1", "revision": number}).encode()
            digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
            headers = {"X-Signature": f"sha256={digest}"}
            answer = vendor.post("/v1/hooks/generic/billing", content=body, headers=headers)
            taken += answer.status_code == 202
        for each in strikes:
            each.result()
    return Seen(f"{taken} of 30 signed: 202; wrong: {sorted(set(wrong))}", taken == 30)


def letters_of_others(at: Target) -> Seen:
    """Large words about a service of another source."""
    mine, theirs = at.key("a", "--source", A), at.key("b", "--source", B)
    with httpx.Client(base_url=at.url, timeout=30) as client:
        client.post(
            "/v1/events",
            content=json.dumps(builders.activated("SVC-B", source=B)),
            headers=STRUCTURED | {"Authorization": f"Bearer {theirs}"},
        )
        answers = set()
        for number in range(100):
            event = builders.mac_changed("SVC-B", id_=f"large-{number}", source=A)
            content = json.dumps(event | {"note": "x" * 60_000})
            headers = STRUCTURED | {"Authorization": f"Bearer {mine}"}
            answers.add(client.post("/v1/events", content=content, headers=headers).status_code)
        asked = "/v1/events/large-99", {"Authorization": f"Bearer {mine}"}
        eventually(
            lambda: client.get(asked[0], headers=asked[1]).json().get("state") == "rejected",
            "the last one is rejected",
            within_s=60,
        )
        last = client.get(asked[0], headers=asked[1])
    size = len(at.command("dead-letters", "list", "--json"))
    message = f"{sorted(answers)}, {last.json()['reason']}, letters of {size // 1000} kB in all"
    return Seen(f"{message}, B named: {B in last.text}", size < 3 * _MIB and B not in last.text)


def wrong_tokens(at: Target) -> Seen:
    """Each route below `/v1/` with twenty tokens that are none."""
    odd = ["x", "lw_", "lw_a_b", "lw_*_*", "lw__", "null", "0", "é", "lw_" + "a" * 5000, "../.."]
    odd += [f"Bearer {each}" for each in odd]
    paths = httpx.get(f"{at.url}/openapi.json").json()["paths"]
    wrong, asked = [], 0
    with httpx.Client(base_url=at.url) as client:
        for path, methods in paths.items():
            if not path.startswith("/v1/") or path.startswith(("/v1/hooks", "/v1/schemas")):
                continue
            for method in methods:
                for token in odd:
                    headers = {"Authorization": token.encode()}
                    url = path.replace("{", "").replace("}", "")
                    answer = client.request(method, url, headers=headers)
                    asked += 1
                    if answer.status_code != 401:
                        wrong.append((method, path, token, answer.status_code))
    return Seen(f"{asked} asked, other than 401: {wrong}", not wrong and asked > 200)


def broken_http(at: Target) -> Seen:
    """What smuggles or breaks HTTP."""
    post = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"
    sent = [
        post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        post + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        post + b"Content-Length: -1\r\n\r\n",
        post + b"Content-Length: 1e3\r\n\r\n",
        post + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        post + b"X: a\x00b\r\n\r\n",
        post + b" folded: x\r\n\r\n",
        post + b"X : space\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  /\x01 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
    ]
    answers = [status_of(raw(at, each)) for each in sent]
    return Seen(" ".join(answers), set(answers) <= {"400", "401"})


def mutated_events(at: Target) -> Seen:
    """An event with bytes changed, 200 times."""
    key, chance = at.key("mutations", "--source", A, "--rate", "100000"), random.Random(20)
    whole = json.dumps(builders.activated("SVC-M", source=A)).encode()
    found: dict[int, int] = {}
    with httpx.Client(base_url=at.url, timeout=30) as client:
        for _ in range(200):
            body = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            headers = STRUCTURED | {"Authorization": f"Bearer {key}"}
            status = client.post("/v1/events", content=bytes(body), headers=headers).status_code
            found[status] = found.get(status, 0) + 1
    return Seen(str(dict(sorted(found.items()))), max(found) < 500)


def aborted_posts(at: Target) -> Seen:
    """Callers that go away in mid-body."""
    before = at.log.read_text()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", at.port)) as caller:
            caller.sendall(_heads("/v1/hooks/generic/billing", 100_000) + b"{")
    httpx.get(f"{at.url}/healthz")
    said = at.log.read_text().removeprefix(before)
    return Seen(f"{said.count('Traceback')} tracebacks", "Traceback" not in said)


def _p95(waits: Waits) -> float:
    return waits.p95


def openapi_for_four(at: Target) -> Seen:
    """Four connections that only ask for the largest document there is."""
    over = threading.Event()

    def ask_for_it() -> None:
        with httpx.Client(base_url=at.url) as client:
            while not over.is_set():
                client.get("/openapi.json")

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        other.submit(on_core, -1).result()  # it has started
        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(ask_for_it)
            # What else takes the cores makes a round slow; the gateway alone would make each slow.
            found = min((other.submit(ask, at.port, 2).result() for _ in range(3)), key=_p95)
            over.set()
    return Seen(f"others wait {found.p95:.0f} ms", found.p95 < HEALTH_S * 1000)


ATTACKS: Final[Sequence[Attack]] = (
    Attack(
        "1 approve",
        "60 MiB of `[],` without a key, /v1/approvals/x/approve",
        "400 after 9.8 s, 1.7 GiB",
        large_body("/v1/approvals/x/approve", deep),
    ),
    Attack(
        "1 reject",
        "the same, /v1/approvals/x/reject",
        "the same",
        large_body("/v1/approvals/x/reject", deep),
    ),
    Attack(
        "1 spaces",
        "400 MiB of spaces without a key",
        "930 MiB kept",
        large_body("/v1/approvals/x/approve", lambda: b" " * (400 * _MIB)),
    ),
    Attack(
        "2 endless",
        "200 MB of one header",
        "392 MiB",
        large_head(b"X: ", *[b"a" * 1_000_000] * 200),
    ),
    Attack(
        "2 finished",
        "a header of 2 MB",
        "200",
        large_head(b"X: " + b"a" * 2_000_000 + b"\r\n\r\n"),
    ),
    Attack(
        "2 many",
        "50,000 headers",
        "200",
        large_head(b"".join(b"X-%d: 1\r\n" % n for n in range(50_000)) + b"\r\n"),
    ),
    Attack(
        "5 hooks",
        "400 webhooks with `X-Signature: sha256=00` beside 30 rightly signed",
        "24 of 30 signed ones: 429",
        unsigned_hooks,
    ),
    Attack(
        "6 and 7 letters",
        "100 events of 60 kB of source A about a service of B",
        "a dead letter of 60 kB each, without end, that names B",
        letters_of_others,
    ),
    Attack(
        "17 aborted",
        "10 posts that end in mid-body",
        "10 tracebacks of 4.5 kB",
        aborted_posts,
    ),
    Attack(
        "18 openapi",
        "/openapi.json on 4 connections, again and again",
        "others wait 86 ms",
        openapi_for_four,
    ),
    Attack("M tokens", "each route with 20 wrong tokens", "401, and 8 times 400", wrong_tokens),
    Attack("M http", "13 requests that smuggle or break HTTP", "400", broken_http),
    Attack("M mutations", "200 mutated events", "no 5xx", mutated_events),
)


def tried(attack: Attack, at: Target) -> tuple[Seen, float]:
    """What came, and after how many seconds."""
    before = time.monotonic()
    return attack.run(at), time.monotonic() - before


def main() -> None:
    """Print the table."""
    show = print
    with tempfile.TemporaryDirectory(prefix="lw-") as folder, target(Path(folder)) as at:
        show("| finding | sent | then | now | s | refused | memory, MiB |")
        show("| --- | --- | --- | --- | --- | --- | --- |")
        held = True
        for attack in ATTACKS:
            seen, took = tried(attack, at)
            held = held and seen.refused
            cells = [*attack[:3], seen.message, f"{took:.2f}", "yes" if seen.refused else "**no**"]
            show(f"| {' | '.join(cells)} | {at.most_memory_kb // 1024} |", flush=True)
        held = held and at.most_memory_kb < MEMORY_KB
    sys.exit(not held)


if __name__ == "__main__":
    main()
