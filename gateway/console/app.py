"""Puts the pages together into one ASGI application below `/console`."""

from importlib.resources import files
from typing import NamedTuple

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from gateway.api.limits import Rates
from gateway.api.responses import FAILURES
from gateway.console import runbook_page
from gateway.console.approvals.approval_pages import ApprovalPages
from gateway.console.audit_page import AuditPage
from gateway.console.calendar_pages import CalendarPages
from gateway.console.console import Console
from gateway.console.failed.dead_letter_actions import DeadLetterActions
from gateway.console.failed.dead_letter_edit import DeadLetterEdit
from gateway.console.failed.dead_letter_pages import DeadLetterPages
from gateway.console.gate import SessionGate, answer_error
from gateway.console.login import LOGIN_BURST_S, LoginRoutes
from gateway.console.now.now_page import NowPage
from gateway.console.pages import Pages
from gateway.console.people_pages import PeoplePages
from gateway.console.pool_pages import PoolPages
from gateway.console.routers.router_actions import RouterActions
from gateway.console.routers.router_pages import RouterPages
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
    pages = Pages(sessions)
    reader = RouterReader(console.store, console.inventory, console.settings)
    now = NowPage(console, sessions)
    services = ServicePages(console)
    threads: tuple[BackgroundThread, ...] = (now.reader, reader, services.search, services.reader)
    # Each group of pages adds its own: XPages(console).add_to(pages).
    now.add_to(pages)
    router_pages = RouterPages(console, reader)
    router_pages.add_to(pages)
    RouterActions(console, reader, router_pages).add_to(pages)
    runbook_page.add_to(pages)
    services.add_to(pages)
    ServiceActions(console, services).add_to(pages)
    PoolPages(console).add_to(pages)
    ApprovalPages(console).add_to(pages)
    dead_letters = DeadLetterPages(console)
    dead_letters.add_to(pages)
    DeadLetterActions(console, dead_letters).add_to(pages)
    DeadLetterEdit(console, dead_letters).add_to(pages)
    AuditPage(console).add_to(pages)
    CalendarPages(console).add_to(pages)
    SourcePages(console).add_to(pages)
    PeoplePages(console).add_to(pages)
    app = FastAPI(
        title="Leasewire console",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        exception_handlers=dict.fromkeys(FAILURES, answer_error),
    )
    app.add_middleware(SessionGate, sessions=sessions)
    app.include_router(LoginRoutes(console.people, sessions, Rates(burst_s=LOGIN_BURST_S)))
    app.include_router(pages)
    app.mount("/static", StaticFiles(directory=str(files(__package__) / "static")))
    return ConsoleApp(app, threads)
