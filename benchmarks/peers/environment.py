"""A virtual environment for the peers of a benchmark, made on first use under `.venv-peers/`.

Each peer is a requirements file beside this one. Peers that take the same torch share an environment, so that one
process measures them and picojoule in turns. What cannot be installed is named with the reason, and the rest goes on
without it.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OPTION = "--no-peers"


def enter(name: str, *peers: str) -> bool:
    """Begin this process again in the environment of that name, and return True in it.

    Where none of the peers is to be had it returns False, and so it does with `--no-peers` among the arguments, which
    it takes out of them.
    """
    home = ROOT / ".venv-peers" / name
    if Path(sys.prefix).resolve() == home.resolve():
        return True
    if OPTION in sys.argv:
        sys.argv.remove(OPTION)
        return False
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
    at_hand = [_install(peer, home) for peer in peers]
    sys.stdout.flush()
    if any(at_hand):
        os.execve(python, [python, *sys.argv], os.environ | _settings(home))
    return False


def _install(peer: str, home: Path) -> bool:
    """Install a peer beside picojoule, unless it is there as its file says; whether it is there now."""
    requirements, stamp = HERE / f"{peer}.txt", home / f"{peer}.installed"
    wanted = "".join(file.read_text() for file in (requirements, ROOT / "constraints.txt", ROOT / "pyproject.toml"))
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    print(f"installing {peer} under {home.relative_to(ROOT)}", flush=True)
    command = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--requirement", requirements, "--editable", ROOT], capture_output=True, text=True)
    if done.returncode == 0:
        stamp.write_text(wanted)
        return True
    errors = [line.strip() for line in done.stderr.splitlines() if line.strip().lower().startswith("error")]
    print(f"{peer} is left out, it cannot be installed here: {(errors or ['pip failed'])[-1]}", flush=True)
    return False


def _settings(home: Path) -> dict[str, str]:
    """What peers that compile code read: where the tools are, and where the outcome goes."""
    return {
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "TORCH_EXTENSIONS_DIR": str(home / "torch_extensions"),
    }
