"""The command, as `leasewire` and as `python -m leasewire`.

Until all are done Ctrl-C ends the process at once, as with any other program; then each command
ends in its own way.
"""

import signal


def main() -> None:
    """Run the command line of this process."""
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:  # in the background of a shell it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from leasewire import cli  # noqa: PLC0415 - about a second of imports

    signal.signal(signal.SIGINT, interrupt)
    cli.main()


if __name__ == "__main__":
    main()
