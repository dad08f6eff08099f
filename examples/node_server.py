"""Running generated servers: a Node.js that is new enough, npm packages in a cache folder, a booted server, requests to it."""
from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

OLDEST_TO_SERVE = (20,)
OLDEST_NODE = (22, 18)          # the first that runs .ts files by itself
NODE_PACKAGE = {"node": "24"}   # a Node.js binary from npm, for machines with an older one


class SetupError(Exception):
    """The machine lacks something; the message says what to install."""


def node_program(cache: pathlib.Path) -> pathlib.Path:
    """A Node.js >= 22.18: the one on PATH, else one from npm, installed into the cache folder once."""
    found = shutil.which("node")
    if found and node_version(found) >= OLDEST_NODE:
        return pathlib.Path(found)
    return npm_packages(cache, "node", NODE_PACKAGE) / "node" / "bin" / "node"


def node_version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")
    return tuple(int(part) for part in said.split(".")[:2])


def npm_packages(cache: pathlib.Path, name: str, packages: dict[str, str]) -> pathlib.Path:
    """The node_modules folder of CACHE/name with these packages; installed when they are not there yet, by one process at a time."""
    folder = cache / f"npm-{name}"
    wanted = json.dumps({"private": True, "type": "module", "dependencies": packages}, indent=2) + "\n"
    marker = folder / "installed.json"
    with locked(cache / f"npm-{name}.lock"):
        if not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text(wanted, encoding="utf-8")
            npm_install(folder, "--legacy-peer-deps")
            marker.write_text(wanted, encoding="utf-8")
    return folder / "node_modules"


def npm_install(folder: pathlib.Path, *flags: str) -> None:
    npm(folder, "install", "--no-audit", "--no-fund", "--loglevel=error", *flags)


def npm(folder: pathlib.Path, *arguments: str) -> None:
    """Run npm in a folder; SetupError with its own words when it fails."""
    program = shutil.which("npm")
    if not program:
        raise SetupError("npm is missing: install Node.js >= 20 with npm (Debian: apt-get install nodejs npm)")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SetupError(f"npm {' '.join(arguments)} in {folder} failed:\n{(done.stderr + done.stdout).strip()[-2000:]}")


@contextlib.contextmanager
def locked(path: pathlib.Path):
    """Holds an exclusive lock on a file while the block runs; other processes wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            import fcntl
        except ImportError:         # Windows: no waiting, installs there are not run in parallel
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A generated server on a free port (`node server.ts`, or the compiled program); stopped at the end of the with block, by its own process id."""

    def __init__(self, folder: pathlib.Path, node: pathlib.Path, environment: dict[str, str] | None = None, program: str = "server.ts"):
        self.folder, self.command, self.port = folder, [str(node), program], free_port()
        self.environment = {**os.environ, **(environment or {}), "PORT": str(self.port)}

    def __enter__(self) -> Server:
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if not self.answers():
            self.stop()
            raise SetupError(f"the server in {self.folder} does not start:\n{self.output()[-3000:]}")
        return self

    def answers(self, limit_s: float = 30) -> bool:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
            time.sleep(0.05)
        return False

    def output(self) -> str:
        """What the server has printed so far."""
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.log.close()

    def request(self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None, limit_s: float = 15) -> Answer:
        """One request, its target sent exactly as given. A body that is not asked for (server answers early) is no error."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit_s)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in {**({"Content-Length": str(len(body))} if body is not None else {}), **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body or b"")
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        """The body as JSON; None when there is none."""
        return json.loads(self.body) if self.body else None
