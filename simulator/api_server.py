"""The API: one session per connection, on plain TCP or TLS.

Source: MAN-API, LIB, CLIENTS.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from simulator import errors
from simulator.api_sentences import Command, done, is_write, parse_sentence, trap
from simulator.command import Request, Result
from simulator.connection import Outbox, ends, reset
from simulator.errors import FatalError, RouterError
from simulator.menus.users import log_in, log_in_old
from simulator.protocol import (
    Decoder,
    ProtocolError,
    encode_sentence,
    encode_word,
    to_bytes,
)
from simulator.query import compile_query, matches
from simulator.router import Router
from simulator.router_state import Caller
from simulator.state import Row

BEFORE_LOGIN = 64 * 1024  # bytes of a sentence; the real limit is not known
LOGGED_IN = 16 * 1024 * 1024
_CHUNK = 256  # rows sent at a time
_RE = encode_word(b"!re")
_PLAIN_SINCE = (6, 43)  # passwords as they are
_OLD_UNTIL = (6, 45, 1)  # BenMenking/routeros-api#44
_EMPTY_SINCE = (7, 18)  # pear2/Net_RouterOS#80


class ApiSession(asyncio.Protocol):
    """One client's connection to `api` or `api-ssl`, as `/user/active` names it."""

    def __init__(self, router: Router, service: str) -> None:
        self.router = router
        self.service = service
        self.id = self.local = self.remote = self.since = ""
        self.caller: Caller | None = None
        self.commands_seen = 0
        self._challenge = b""
        self._decoder = Decoder(BEFORE_LOGIN)
        self._queue: deque[Command] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._running: dict[bytes, Callable[[], None]] = {}
        self._transport: asyncio.Transport | None = None
        self._outbox: Outbox | None = None
        self._deaf = False
        self._early = b""

    # --- connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place among the sessions, if there is one left."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what asyncio passes to a stream protocol
        router, self._loop = self.router, asyncio.get_running_loop()
        self._transport = transport
        self._outbox = Outbox(transport, router.faults)
        self.local, self.remote = ends(transport)
        if not router.admits(self.service, self.remote):
            self._end(b"")
            return
        limit = router.session_limit()
        taken = sum(1 for session in router.sessions.values() if session.service != "rest-api")
        if limit is not None and taken >= limit:
            # not known; accepted, then closed, is the likelier
            self._deaf = True
            router.unserved.add(self)
            if router.switches.beyond_session_limit == "close":
                transport.close()
            return
        self._deaf = router.faults.hang_on_connect
        router.session_count += 1
        self.id = f"{self.service}:{router.session_count}"
        router.sessions[self.id] = self
        self.data_received(self._early)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the session and whatever it had not begun."""
        del exc
        self.router.session_ended(self.id)
        self.router.unserved.discard(self)
        self._stop()

    def reset(self) -> None:
        """End the connection by a reset."""
        self._stop()
        if self._transport is not None:
            reset(self._transport)

    def _stop(self) -> None:
        self._deaf = True
        self._queue.clear()
        for stop in self._running.values():
            stop()
        self._running.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._outbox is not None:
            self._outbox.stop()

    def data_received(self, data: bytes) -> None:
        """Queue the commands that are complete and run what can run."""
        if self._transport is None:  # a client may send with the last bytes of the handshake
            self._early += data
            return
        self._deaf |= self.router.faults.hang_in_use  # ignored commands are never answered
        if self._deaf:
            return
        try:
            sentences = self._decoder.feed(data)
        except ProtocolError:
            self._end(b"")
            return
        now = self._loop.time()
        for sentence in sentences:
            command = parse_sentence(sentence, now)
            if command.name == "/cancel" and self.caller is not None:
                self._cancel(command)
            else:
                self._queue.append(command)
        if self._queue and self._timer is None:
            if self.router.switches.tagged_order == "shuffle" and self.caller is not None:
                gather = self.router.switches.shuffle_gather_ms / 1000
                self._timer = self._loop.call_later(gather, self._work)
            else:
                self._work()

    # --- the queue -------------------------------------------------------------------------

    def _work(self) -> None:
        self._timer = None
        while self._queue and not self._deaf:
            command = self._take()
            cost = self._cost(command)
            if cost:
                router = self.router
                # From when it came, not from now: a late timer must not make the router slower.
                router.busy_until = max(command.arrived, router.busy_until) + cost
                self._timer = self._loop.call_at(router.busy_until, self._finish, command)
                return
            self._run(command)

    def _finish(self, command: Command) -> None:
        self._timer = None
        if not self._deaf:
            self._run(command)
        self._work()

    def _take(self) -> Command:
        if self.router.switches.tagged_order != "shuffle" or not self._queue[0].tag:
            return self._queue.popleft()
        together = next((n for n, c in enumerate(self._queue) if not c.tag), len(self._queue))
        chosen = self.router.random.randrange(together)
        command = self._queue[chosen]
        del self._queue[chosen]
        return command

    def _cost(self, command: Command) -> float:
        faults = self.router.faults
        cost = faults.service_ms_by_command.get(command.name)
        if cost is None:
            cost = faults.service_ms if is_write(command) else 0
        return cost / 1000

    # --- running one command -----------------------------------------------------------------

    def _run(self, command: Command) -> None:
        faults = self.router.faults
        self._deaf |= faults.hang_in_use
        if self._deaf:
            return
        self.commands_seen += 1
        if 0 < faults.reset_after_commands < self.commands_seen:
            self.reset()
            return
        try:
            if self.caller is None:
                self._log_in(command)
            elif command.name == "/quit":
                raise FatalError(errors.SESSION_TERMINATED)  # noqa: TRY301 - one place ends sessions
            else:
                self._execute(command, self.caller)
        except FatalError as fatal:
            self._end(encode_sentence((b"!fatal", to_bytes(fatal.text))))
        except RouterError as error:
            self._reply(command, trap(error, command.tag) + done(command.tag))

    def _execute(self, command: Command, caller: Caller) -> None:
        request, result = self.router.execute(
            command.name, command.arguments, caller, command.query, command.proplist
        )
        if self._deaf:
            return  # a reboot ended this session
        if is_write(command) and self.router.faults.fires("lose_replies", command.name):
            self.reset()
            return
        follows = "follow" in command.arguments or "follow-only" in command.arguments
        if request.command == "listen" or follows:
            if "follow" in command.arguments:
                self._rows(request, result, command, end=b"")
            self._listen(request, command)
        elif result.printed:
            self._rows(request, result, command, done(command.tag))
        else:
            self._reply(command, done(command.tag, result.ret))

    def _rows(self, request: Request, result: Result, command: Command, end: bytes) -> None:
        router, tail = self.router, command.tag + b"\0"
        menu = router.menus[request.menu_path]
        wanted = command.proplist
        parts: list[bytes] = []
        packed = menu.packed
        empty = True
        for row in result.rows:
            parts += (_RE, packed(router, row, wanted), tail)
            empty = False
            if len(parts) > _CHUNK * 3:
                self._put(b"".join(parts), command)
                parts.clear()
        if empty and end and router.version >= _EMPTY_SINCE:
            parts.append(encode_word(b"!empty") + tail)
        self._reply(command, b"".join(parts) + end)

    def _reply(self, command: Command, data: bytes) -> None:
        if data and self.router.faults.fires("cut_replies", command.name):
            if self._outbox is not None:
                self._outbox.put(data[: max(1, len(data) // 2)], command.arrived, "reset")
            self._deaf = True
            self._queue.clear()
            return
        self._put(data, command)

    def _put(self, data: bytes, command: Command) -> None:
        if self._outbox is not None:
            self._outbox.put(data, command.arrived)

    def _end(self, last: bytes) -> None:
        self._deaf = True
        self._queue.clear()
        if self._outbox is not None:
            self._outbox.put(last, self._loop.time(), "close")

    # --- login -------------------------------------------------------------------------------

    def _log_in(self, command: Command) -> None:
        """Take a password, or the answer to a challenge (before 6.43); 6.43 to 6.45 take both."""
        if command.name != "/login":
            raise FatalError(errors.NOT_LOGGED_IN)
        router, given, version = self.router, command.arguments, self.router.version
        router.commands_run["/login"] += 1
        name, old = given.get("name", ""), version < _OLD_UNTIL
        if "response" in given and old and self._challenge:
            caller = log_in_old(router, name, given["response"], self._challenge, self.id)
        elif old and ("password" not in given or version < _PLAIN_SINCE):
            self._challenge = router.random.randbytes(16)
            self._reply(command, done(command.tag, self._challenge.hex()))
            return
        else:
            caller = log_in(router, name, given.get("password", ""), self.id, "api")
        if caller is None:
            text = errors.BAD_LOGIN if version >= _PLAIN_SINCE else errors.BAD_LOGIN_OLD
            router.refused_login(self, name, text)
            raise RouterError(text)
        router.logged_in(self, caller)
        self.caller = caller
        self._decoder.limit = LOGGED_IN
        self._reply(command, done(command.tag))

    # --- commands that last ---------------------------------------------------------------------

    def _listen(self, request: Request, command: Command) -> None:
        router = self.router
        menu = router.menus[request.menu_path]
        table = menu.rows(router)
        steps = compile_query(request.query, lambda _, value: value)

        def watch(row: Row, dead: bool) -> None:  # noqa: FBT001 - the table's call
            if dead:
                words = [b"!re", to_bytes(f"=.id={row.id}"), b"=.dead=true"]
                self._reply(command, encode_sentence(words)[:-1] + command.tag + b"\0")
            elif matches(steps, menu.view(router, row)):
                self._rows(request, Result([row]), command, end=b"")

        table.watchers.append(watch)
        self._running[command.tag] = lambda: table.watchers.remove(watch)

    def _cancel(self, command: Command) -> None:
        wanted = command.arguments.get("tag")
        tag = None if wanted is None else encode_word(b".tag=" + to_bytes(wanted))
        ended = [tag_running for tag_running in self._running if tag in (None, tag_running)]
        for tag_running in ended:
            self._running.pop(tag_running)()
            self._put(trap(errors.interrupted(), tag_running) + done(tag_running), command)
        for waiting in [c for c in self._queue if tag in (None, c.tag)]:
            self._queue.remove(waiting)
            self._put(trap(errors.interrupted(), waiting.tag) + done(waiting.tag), command)
        self._put(done(command.tag), command)
