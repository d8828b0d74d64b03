"""`python -m tests.worker.supervised`: a supervisor whose log lines are lines of standard error."""

import os
import sys

import structlog

from worker.runtime.supervisor import Supervisor

if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    sys.exit(Supervisor(os.environ).run())
