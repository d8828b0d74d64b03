"""Ctrl-C ends a command cleanly also while Python still imports its parts."""

import signal
import subprocess
import sys

PAUSED = """
import runpy, sys

class Pause:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            sys.meta_path.remove(self)
            print("importing", flush=True)
            sys.stdin.read()

sys.meta_path.insert(0, Pause())
sys.argv = ["leasewire", "status"]
runpy.run_module('leasewire', run_name='__main__')
"""


def test_an_interrupt_during_the_imports_leaves_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-c", PAUSED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=20)
    assert message == ""
    assert process.returncode == -signal.SIGINT
