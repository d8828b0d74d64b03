"""Puts the pages together into one ASGI application below `/console`."""

from importlib.resources import files
from typing import NamedTuple

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from gateway.api.limits import Rates
from gateway.api.responses import FAILURES
from gateway.console.approvals.approval_pages import ApprovalPages
from gateway.console.audit_page import AuditPage
from gateway.console.calendar_pages import CalendarPages
from gateway.console.console import Console
from gateway.console.failed.dead_letter_actions import DeadLetterActions
from gateway.console.failed.dead_letter_edit import DeadLetterEdit
from gateway.console.failed.dead_letter_pages import DeadLetterPages
from gateway.console.gate import SessionGate, answer_error
from gateway.console.login import LOGIN_BURST_S, LoginRoutes
from gateway.console.now.alert_page import AlertPage
from gateway.console.now.now_page import NowPage
from gateway.console.people_pages import PeoplePages
from gateway.console.pool_pages import PoolPages
from gateway.console.routers.router_actions import RouterActions
from gateway.console.routers.router_pages import RouterPages
from gateway.console.runbook_page import RunbookPage
from gateway.console.services.service_actions import ServiceActions
from gateway.console.services.service_pages import ServicePages
from gateway.console.sessions import LoginSessions
from gateway.console.source_pages import SourcePages
from worker.admin.router_reader import RouterReader
from worker.background_thread import BackgroundThread


class ConsoleApp(NamedTuple):
    """The application, and threads that must run while it answers."""

    app: FastAPI
    threads: tuple[BackgroundThread, ...]


def make_console(console: Console) -> ConsoleApp:
    """Make the application, which is mounted at `/console`."""
    sessions = LoginSessions(console.store.client, console.settings.key_prefix)
    reader = RouterReader(console.store, console.inventory, console.settings)
    now, services = NowPage(console), ServicePages(console)
    routers, dead_letters = RouterPages(console, reader), DeadLetterPages(console)
    app = FastAPI(
        title="Leasewire console",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers=dict.fromkeys(FAILURES, answer_error),
    )
    app.add_middleware(SessionGate, sessions=sessions)
    for group in (
        LoginRoutes(console.people, sessions, Rates(burst_s=LOGIN_BURST_S)),
        now,
        AlertPage(console),
        routers,
        RouterActions(console, reader, routers),
        RunbookPage(console),
        services,
        ServiceActions(console, services),
        PoolPages(console),
        ApprovalPages(console),
        dead_letters,
        DeadLetterActions(console, dead_letters),
        DeadLetterEdit(console, dead_letters),
        AuditPage(console),
        CalendarPages(console),
        SourcePages(console),
        PeoplePages(console),
    ):
        app.include_router(group)
    app.mount("/static", StaticFiles(directory=str(files(__package__) / "static")))
    return ConsoleApp(app, (now.reader, reader, services.search, services.reader))
