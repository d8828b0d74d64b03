"""The login page, login and logout."""

import asyncio
from typing import Final

import htpy as h
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.gate import SMALL_BYTES, read_body
from gateway.api.limits import Rates
from gateway.api.problems import Refused
from gateway.console import layout as ui
from gateway.console.gate import COOKIE
from gateway.console.pages import checked_form, form_of
from gateway.console.people import LONGEST_PASSWORD, People
from gateway.console.sessions import LONGEST_S, LoginSession, LoginSessions

log = structlog.get_logger("console")

_FIRST_PAGE: Final = f"{ui.ROOT}/now"
LOGIN_BURST_S: Final = 25.0
"""Five attempts of one person from one address, then one in five seconds."""
_LONGEST_NAME: Final = 64
_WRONG: Final = "There is no person with this name and password."


class LoginRoutes(APIRouter):
    """The routes that need no session, and logout."""

    def __init__(self, people: People, sessions: LoginSessions, rates: Rates) -> None:
        super().__init__(include_in_schema=False)
        self._people = people
        self._sessions = sessions
        self._rates = rates
        self.get("/")(self.front)
        self.get("/login")(self.show)
        self.post("/login")(self.log_in)
        self.post("/logout")(self.log_out)

    async def front(self) -> Response:
        """The first page."""
        return RedirectResponse(_FIRST_PAGE, status_code=303)

    async def show(self, next: str = _FIRST_PAGE) -> HTMLResponse:  # noqa: A002 - the query says so
        """The login page; `next` is the address that is shown after login."""
        return HTMLResponse(str(_page(_onward(next))))

    async def log_in(self, request: Request) -> Response:
        """Begin a session."""
        form = form_of(await read_body(request, SMALL_BYTES))
        name, password = form.get("name", "").strip().lower(), form.get("password", "")
        onward = _onward(form.get("next", ""))
        peer = request.client.host if request.client else ""
        known = name[:_LONGEST_NAME]
        try:
            # Some may be mistyped, then one who guesses waits; who is locked out by others'
            # guesses may go on elsewhere.
            self._rates.spend(f"login {peer} {known}", 0.2)
            self._rates.spend(f"login-from {peer}", 3.0)
            self._rates.spend(f"login-as {known}", 1.0)
        except Refused as refused:
            wait = f"Too many attempts: wait {refused.retry_after_s} s, then try again."
            page = str(_page(onward, wait))
            return HTMLResponse(page, refused.status, refused.headers)
        token = await asyncio.to_thread(self._begin, known, password)
        if token is None:
            log.warning("login.refused", person=known, peer=peer)
            return HTMLResponse(str(_page(onward, _WRONG)), status_code=401)
        log.info("login.accepted", person=known, peer=peer)
        answer = RedirectResponse(onward, status_code=303)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=LONGEST_S,
            path=ui.ROOT,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return answer

    def _begin(self, name: str, password: str) -> str | None:
        person = self._people.check(name, password)
        return self._sessions.begin(person) if person is not None else None

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        await checked_form(request, SMALL_BYTES)
        session: LoginSession = request.state.session
        await asyncio.to_thread(self._sessions.end, session)
        answer = RedirectResponse(f"{ui.ROOT}/login", status_code=303)
        answer.delete_cookie(COOKIE, path=ui.ROOT)
        return answer


def _onward(address: str) -> str:
    """Where to go after login: an address of the console, whatever was asked for."""
    is_ours = address.startswith(f"{ui.ROOT}/") and address.isprintable() and "\\" not in address
    return address if is_ours else _FIRST_PAGE


def _page(onward: str, wrong: str = "") -> h.Element:
    return ui.frame(
        "Log in",
        None,
        ui.note("error", wrong) if wrong else None,
        h.form(".confirm", method="post", action=f"{ui.ROOT}/login")[
            h.input(type="hidden", name="next", value=onward),
            _asked("Name", _LONGEST_NAME, name="name", autocomplete="username"),
            _asked(
                *("Password", LONGEST_PASSWORD),
                type="password",
                name="password",
                autocomplete="current-password",
            ),
            h.button(".primary")["Log in"],
        ],
        h.p["An admin adds people with ", h.code["leasewire people add"], "."],
    )


def _asked(label: str, longest: int, **attributes: str) -> h.Element:
    return h.label[label, h.input(attributes, required=True, maxlength=str(longest))]
