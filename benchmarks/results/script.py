"""Benchmarks that print their claim, run as a process of their own, since some need an environment of their own."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]


def printed(name: str, *arguments: str) -> str:
    """What a script of `benchmarks/` prints, without what it says of installing."""
    command = [sys.executable, SCRIPTS / f"{name}.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SCRIPTS.parent)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:  # with 1 a script says that it missed its goal
        sys.exit(f"{name}.py failed:\n{done.stderr}")
    lines = done.stdout.splitlines()
    return "\n".join(line.rstrip() for line in lines if not line.startswith("installing ")).strip()
