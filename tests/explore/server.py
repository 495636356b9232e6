"""A PostgreSQL server of our own on loopback, which tests stop and start as they like."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

USER = "picojoule"


class Server:
    """A server with a new cluster, which this machine's users may come into. It refuses to run as root."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._as: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="picojoule-postgresql-"))
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        options = ("--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-locale", "--no-sync")
        self._run("initdb", *options, "-D", self.folder / "data")
        self.start()

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(each) for each in (self._programs / program, *arguments)]
        subprocess.run(command, check=True, cwd="/", capture_output=True, timeout=120, **self._as)

    def start(self) -> None:
        """Start it where it is not running, and wait until it answers."""
        if self._process is None or self._process.poll() is not None:
            options = ("-h", "127.0.0.1", "-p", str(self.port), "-k", "", "-F")
            command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options]
            silent = subprocess.DEVNULL
            self._process = subprocess.Popen(command, cwd="/", stdout=silent, stderr=silent, **self._as)
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it, by default at once but in order; with SIGQUIT as a crash does."""
        self.signal(how)
        assert self._process is not None
        self._process.wait(60)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def remove(self) -> None:
        """Stop it, and leave nothing."""
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def new(self, database: str) -> str:
        """The URL of a new, empty database."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[call-overload]
        return self.url(database)
