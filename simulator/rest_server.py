"""REST over HTTP and HTTPS: the same commands as the API's, one request each.

Source: MAN-REST, LAB, CLIENTS. Since 7.1; older versions answer 404 to every path.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulator import errors
from simulator.command import READING, Result
from simulator.connection import Outbox, begin, ends, reset
from simulator.errors import RouterError
from simulator.http_wire import (
    HEAD,
    BadRequestError,
    HttpReader,
    HttpRequest,
    write_response,
)
from simulator.menu import ComputedSingleton, Singleton
from simulator.menu_base import MenuBase
from simulator.menus.users import log_in, password_of
from simulator.rest_format import (
    RestError,
    RestTarget,
    find_target,
    not_there,
    read_basic,
    read_body,
    rest_error,
    shown,
    to_texts,
)
from simulator.router import Router
from simulator.router_state import Caller
from simulator.state import Row, Values

SINCE = (7, 1)
LOGIN_KEPT_S = 600  # MAN-REST: ten minutes
_COMMANDS = {"GET": "print", "PUT": "add", "PATCH": "set", "DELETE": "remove"}


@dataclass(slots=True)
class Response:
    """A success."""

    status: int
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class RestLogin:
    """A user's login, kept for ten minutes; shown in `/user/active`."""

    router: Router = field(repr=False)
    caller: Caller
    remote: str = ""
    local: str = ""
    since: str = ""
    service: str = "rest-api"
    used: float = 0

    def reset(self) -> None:
        """Forget the login: the next request logs in again."""
        self.router.session_ended(self.caller.session)


class RestServer:
    """Serves one router's REST; requests of one user run one after the other (MAN-REST).

    Its connections are in `raw`, which the power of the router ends.
    """

    def __init__(self, router: Router, raw: set[asyncio.BaseTransport]) -> None:
        self.router = router
        self._raw = raw
        self._logins: dict[str, RestLogin] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._running: set[asyncio.Task[bytes]] = set()

    def protocol(self) -> asyncio.Protocol:
        """Make the protocol of one connection."""
        reader = asyncio.StreamReader(limit=HEAD)
        return asyncio.StreamReaderProtocol(reader, self._serve)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport, faults = writer.transport, self.router.faults
        self._raw.add(transport)
        outbox = Outbox(transport, faults)
        try:
            service = "www" if transport.get_extra_info("sslcontext") is None else "www-ssl"
            if not self.router.admits(service, ends(transport)[1]):
                return
            requests = HttpReader(reader, writer)
            while not faults.hang_on_connect:
                request = await requests.next_request()
                if request is None or faults.hang_in_use:
                    break
                arrived = asyncio.get_running_loop().time()
                response = await self._in_time(request, ends(transport))
                if response is None:
                    reset(transport)
                    break
                if faults.fires("cut_replies", request.path):
                    outbox.put(response[: len(response) // 2], arrived, "reset")
                    break
                outbox.put(response, arrived, None if request.keep else "close")
            if faults.hang_on_connect or faults.hang_in_use:
                await reader.read()  # until the client closes the connection
        except (BadRequestError, ConnectionError):
            transport.abort()
        finally:
            self._raw.discard(transport)
            if outbox.idle:
                writer.close()

    async def _in_time(self, request: HttpRequest, where: tuple[str, str]) -> bytes | None:
        """Answer within the limit; a longer command goes on and blocks the next (MAN-REST)."""
        task = begin(self._running, self._answer(request, where))
        limit = self.router.switches.rest_limit_s
        done, _ = await asyncio.wait([task], timeout=limit)
        if done:
            return task.result() or None
        error = RestError(400, "Session closed")
        return write_response(error.status, error.body(), keep=request.keep)

    async def _answer(self, request: HttpRequest, where: tuple[str, str]) -> bytes:
        """Return the response; empty if the connection must be reset instead."""
        router = self.router
        try:
            caller = self._log_in(request, where)
            lock = self._locks.setdefault(caller.user, asyncio.Lock())
            async with lock:
                command, response = await self._run(request, caller)
            if router.faults.fires("wrong_bodies", request.path):
                response = self._wrong_body(caller)
        except RestError as error:
            headers = {"WWW-Authenticate": 'Basic realm="RouterOS"'} if error.status == 401 else {}  # noqa: PLR2004 - HTTP's own number
            return write_response(error.status, error.body(), headers, keep=request.keep)
        if command not in READING and router.faults.fires("lose_replies", request.path):
            return b""
        content = response.content
        text = None if content is None else json.dumps(content, ensure_ascii=False)
        body = None if text is None else text.encode("utf-8", "surrogateescape")
        return write_response(response.status, body, response.headers, keep=request.keep)

    def _wrong_body(self, caller: Caller) -> Response:
        """Return the answer to a request for another menu."""
        menu = self.router.menu(self.router.faults.wrong_body_of)
        return self._get(
            HttpRequest("GET", "", [], {}, b"", keep=True), caller, RestTarget(menu, "")
        )

    # --- login ----------------------------------------------------------------------------

    def _log_in(self, request: HttpRequest, where: tuple[str, str]) -> Caller:
        router, now = self.router, self.router.now()
        if router.version < SINCE:
            raise RestError(404)
        name, password = read_basic(request.headers.get("authorization", ""))
        kept = self._logins.get(name)
        if kept is not None and now - kept.used > LOGIN_KEPT_S:
            kept.reset()
        # changes of the user apply to the next request, of its group to the next login (MAN-REST)
        known = kept is not None and kept.caller.session in router.sessions
        same = password_of(router, name) == password and not router.faults.refuse_login
        if kept is None or not known or not same:
            router.commands_run["/login"] += 1
            router.session_count += 1
            session = f"rest:{router.session_count}"
            caller = log_in(router, name, password, session, "rest-api")
            if caller is None:
                router.refusals[errors.BAD_LOGIN] += 1
                raise RestError(401)
            kept = RestLogin(router, caller, where[1], where[0])
            self._logins[name] = kept
            router.sessions[session] = kept
            router.logged_in(kept, caller)
        kept.used = now
        if "api" not in kept.caller.policies or "api" in router.faults.denied_policies:
            raise RestError(500, "std failure: not allowed (9)")  # MAN-REST
        return kept.caller

    # --- requests ------------------------------------------------------------------------

    async def _run(self, request: HttpRequest, caller: Caller) -> tuple[str, Response]:
        done = await self._run_command(request, caller)
        if self.router.faults.fires("wrong_unauthorized", request.path):
            raise RestError(401)
        return done

    async def _run_command(self, request: HttpRequest, caller: Caller) -> tuple[str, Response]:
        method = request.method
        if method not in ("GET", "PUT", "PATCH", "DELETE", "POST"):
            raise RestError(503 if method == "OPTIONS" else 501)  # LAB
        target = find_target(self.router, request.path)
        body = read_body(request)
        command = self._command(method, target)
        await self._take_time(f"{target.menu.path}/{command}", command)
        try:
            return command, self._execute(request, caller, target, body)
        except RouterError as error:
            raise rest_error(error, method, target) from error

    def _command(self, method: str, target: RestTarget) -> str:
        if method != "POST":
            return _COMMANDS[method]
        return target.last or ("add" if target.menu.guide_rest else "")

    async def _take_time(self, path: str, command: str) -> None:
        faults, router = self.router.faults, self.router
        cost = faults.service_ms_by_command.get(path)
        if cost is None:
            cost = faults.service_ms if command not in READING else 0
        if command in READING:
            await asyncio.sleep(cost / 1000)
        elif cost:
            now = asyncio.get_running_loop().time()
            router.busy_until = max(now, router.busy_until) + cost / 1000
            await asyncio.sleep(router.busy_until - now)

    def _execute(
        self, request: HttpRequest, caller: Caller, target: RestTarget, body: dict[str, Any]
    ) -> Response:
        router, menu, last = self.router, target.menu, target.last
        command = f"{menu.path}/{self._command(request.method, target)}"
        match request.method:
            case "GET":
                return self._get(request, caller, target)
            case "PUT":
                _, result = router.execute(command, to_texts(body), caller)
                headers = {"Location": f"/rest{menu.path}/{result.ret}"}
                return Response(201, self._one(menu, result.ret or ""), headers)
            case "PATCH":
                if not last or isinstance(menu, Singleton):
                    raise RestError(400, "missing or invalid resource identifier")
                row_id = self._row(menu, last).id  # the name itself may change
                router.execute(command, {**to_texts(body), ".id": row_id}, caller)
                return Response(200, self._one(menu, row_id))
            case "DELETE":
                router.execute(command, {".id": last} if last else {}, caller)
                return Response(204)
            case _:
                return self._post(caller, target, command, body)

    def _get(self, request: HttpRequest, caller: Caller, target: RestTarget) -> Response:
        router, menu, last = self.router, target.menu, target.last
        pairs = [pair for pair in request.query if pair[0] != ".proplist"]
        wanted = next((value for name, value in request.query if name == ".proplist"), None)
        words = [f"{name}={value}" for name, value in pairs]
        words += ["#" + "&" * (len(words) - 1)] if len(words) > 1 else []
        _, result = router.execute(f"{menu.path}/print", {}, caller, words)
        proplist = None if wanted is None else [".id", *wanted.split(",")]
        if last:
            if last not in menu.rows(router).rows and not menu.named:
                raise not_there(menu, last, router)
            one = self._one(menu, last, proplist)
            return Response(200, [one] if menu.guide_rest else one)
        views = [shown(menu.view(router, row), proplist) for row in result.rows]
        if isinstance(menu, Singleton | ComputedSingleton) and not words:
            return Response(200, views[0])
        return Response(200, views)

    def _post(
        self, caller: Caller, target: RestTarget, command: str, body: dict[str, Any]
    ) -> Response:
        router, menu = self.router, target.menu
        if command.endswith("/"):
            raise RestError(400, "no such command")
        query, wanted = body.pop(".query", []), body.pop(".proplist", None)
        if not isinstance(query, list) or not isinstance(wanted, str | list | None):
            raise RestError(400, "Failed to parse json")  # text assumed
        if isinstance(wanted, str):
            wanted = wanted.split(",")
        proplist = None if wanted is None else [str(name) for name in wanted]
        _, result = router.execute(command, to_texts(body), caller, [str(word) for word in query])
        if menu.guide_rest and not target.last:
            return Response(200, {"message": "added", "id": result.ret})
        return Response(200, self._done(menu, result, proplist))

    def _done(self, menu: MenuBase, result: Result, proplist: Iterable[str] | None) -> Any:  # noqa: ANN401 - JSON
        if result.ret is not None:
            return {"ret": result.ret}
        return [shown(menu.view(self.router, row), proplist) for row in result.rows]

    def _one(self, menu: MenuBase, row_id: str, proplist: Iterable[str] | None = None) -> Values:
        row = self._row(menu, row_id)
        return shown(menu.view(self.router, row), proplist)

    def _row(self, menu: MenuBase, name: str) -> Row:
        rows = menu.rows(self.router).rows
        row = rows.get(name)
        if row is None and menu.named:
            row = self.router.named(menu.path, name)
        if row is None:
            raise RestError(404)
        return row
