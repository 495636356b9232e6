"""The command `picojoule`, which a signal stops from its first moment on, and never with a traceback.

It stands beside the package, since importing anything of that imports torch, which takes a second or more.
"""

import os
import signal
import sys


def run() -> None:
    """Run the command line and exit with its code. SIGTERM stops it as Ctrl-C does: 130, the best so far saved."""
    stopping = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not signal.SIG_IGN]
    for each in stopping:
        signal.signal(each, lambda *_: os._exit(130))  # nothing has begun yet
    from picojoule.cli.main import run as run_command

    for each in stopping:
        signal.signal(each, signal.default_int_handler)
    try:
        run_command()
    except KeyboardInterrupt:  # one more, on the way out
        sys.exit(130)
    finally:
        for each in stopping:
            signal.signal(each, signal.SIG_DFL)


if __name__ == "__main__":
    run()
