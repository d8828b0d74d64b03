"""The command, as `leasewire` and as `python -m leasewire`.

Ctrl-C ends the process at once, as with any other program, while Python imports modules and when
it ends: a KeyboardInterrupt there would print a traceback. A command that runs handles it.
"""

import signal


def main() -> None:
    """Run the command line of this process."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may ignore it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from leasewire import cli  # noqa: PLC0415 - only now Ctrl-C ends the process

    cli.main()


if __name__ == "__main__":
    main()
