"""`python -m tests.worker.supervised`: a supervisor whose log lines are lines of standard error."""

import os
import sys
from contextlib import suppress

import structlog

from worker.errors import ConfigurationError
from worker.inventory import load_inventory
from worker.runtime.supervisor import Supervisor
from worker.settings import Settings

if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    known = None
    with suppress(ConfigurationError):  # its processes say it
        known = load_inventory(Settings.load(os.environ).inventory)
    sys.exit(Supervisor(os.environ, inventory=known).run())
