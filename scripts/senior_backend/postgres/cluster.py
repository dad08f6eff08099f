"""The data folder of a throwaway server: prepared once for each installation and kept, so that a start is a copy instead of an initdb.

The server has two roles. ADMINISTRATOR is its superuser, for our own statements. LOADER owns the databases and runs what comes from files and other
databases: it is no superuser, and the roles that could run programs or touch files of the machine are gone, so that it cannot get their rights either.
"""
from __future__ import annotations

import hashlib
import os
import pathlib
import secrets
import shutil
import stat
import subprocess
import tempfile
from typing import Any

from senior_backend.console import CommandError, ExitCode
from senior_backend.postgres import cache
from senior_backend.postgres.binaries import PROGRAMS, Binaries

ADMINISTRATOR, LOADER = "senior_backend", "postgres"
MOST_BYTES = 200_000_000            # of prepared folders, some 25 MB each
FORM = 3            # of the prepared folder; counted up when it changes
SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "jit": "off", "wal_level": "logical", "max_wal_senders": "0", "max_connections": "40",
    "max_locks_per_transaction": "2000", "max_wal_size": "4GB", "checkpoint_timeout": "1h", "shared_buffers": "64MB", "max_logical_replication_workers": "0", "huge_pages": "off",
    "max_worker_processes": "2", "max_parallel_workers": "0", "listen_addresses": "", "lc_messages": "C", "timezone": "UTC", "log_timezone": "UTC", "logging_collector": "off",
    "log_min_messages": "fatal", "track_counts": "on", "unix_socket_permissions": "0700", "password_encryption": "scram-sha-256",
}
MEMORY, PLENTY_BYTES = pathlib.Path("/dev/shm"), 4 << 30          # measured on a shared disk: a start in 0.15 s there, 0.3 to 0.9 s in /tmp
HARMFUL_ROLES = "pg_execute_server_program, pg_read_server_files, pg_write_server_files"


def identity() -> dict[str, Any]:
    """subprocess options that make a program run as a normal user: PostgreSQL refuses to run as root. Empty when we are none."""
    if os.name == "nt" or os.geteuid() != 0:
        return {}
    import pwd

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise CommandError("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody", "run as a normal user, or name a server with --shadow URL",
                       ExitCode.ENVIRONMENT, "NO_SCRATCH_SERVER")


def is_open(path: pathlib.Path) -> bool:
    """Whether other users may reach what is in a folder."""
    return all(one.stat().st_mode & stat.S_IXOTH for one in (path, *path.parents))


def temporary_places(memory: bool = True) -> list[pathlib.Path]:
    """Folders for temporary folders that the server's user can reach too, best first: memory where there is plenty, since an empty server is a thousand small files.

    memory: False when programs will be put there, which it often does not run.
    """
    places = [pathlib.Path(tempfile.gettempdir()).resolve()]
    if memory and MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and "TMPDIR" not in os.environ and shutil.disk_usage(MEMORY).free >= PLENTY_BYTES:
        places.insert(0, MEMORY)
    if identity():
        places = [one for one in (*places, pathlib.Path("/tmp"), pathlib.Path("/var/tmp")) if one.is_dir() and is_open(one)]
    if not places:
        raise CommandError("no temporary folder can be reached by the user that the scratch server runs as", "set TMPDIR to a folder that is open to all users", ExitCode.ENVIRONMENT,
                           "NO_SCRATCH_SERVER")
    return places


def give_away(path: pathlib.Path) -> None:
    """Make the server's user the owner of a folder and all in it."""
    who = identity()
    if who:
        for folder, folders, files in os.walk(path):
            for name in (".", *folders, *files):
                os.chown(os.path.join(folder, name), who["user"], who["group"], follow_symlinks=False)


def in_reach(binaries: Binaries) -> bool:
    return not identity() or is_open(binaries.folder)


def within_reach(binaries: Binaries, folder: pathlib.Path) -> Binaries:
    """The installation, linked or copied below folder when its own place is closed to the server's user (/root)."""
    if in_reach(binaries):
        return binaries
    root, target = binaries.folder.parent, folder / "programs" / "package"

    def needless(place: str, names: list[str]) -> set[str]:
        others = [name for name in names if pathlib.Path(place) == binaries.folder and name not in PROGRAMS]
        return {*others, *shutil.ignore_patterns("include", "*.a", "pgxs", "doc", "man")(place, names)}

    shutil.copytree(root, target / root.name, symlinks=True, copy_function=link_or_copy, ignore=needless)
    for libraries in root.parent.parent.glob("*.libs") if binaries.wheel else ():
        shutil.copytree(libraries, folder / "programs" / libraries.name, symlinks=True, copy_function=link_or_copy)
    return Binaries(target / root.name / binaries.folder.name, binaries.version, binaries.text, binaries.wheel)


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def new_data(binaries: Binaries, reachable: Binaries, folder: pathlib.Path) -> str:
    """Make folder/data, ready to be started, owned by the server's user; gives the password of both roles for TCP connections. reachable: where the programs can be run."""
    store = cache.folder("postgres")
    kept = store / key(binaries) if store else None
    if kept is None or not (kept / "password").exists():
        kept = prepare(reachable, folder, kept)
    else:
        os.utime(kept)
    shutil.copytree(kept / "data", folder / "data")
    give_away(folder / "data")
    return (kept / "password").read_text(encoding="ascii")


def key(binaries: Binaries) -> str:
    about = os.stat(binaries.program("postgres"))
    parts = [FORM, binaries.text, binaries.folder, about.st_size, about.st_mtime_ns, sorted(SETTINGS.items())]
    return f"{binaries.major}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def prepare(binaries: Binaries, folder: pathlib.Path, kept: pathlib.Path | None) -> pathlib.Path:
    """Run initdb below folder, keep the result for later runs where that is possible; gives the folder that holds data and password."""
    workshop = folder / "template"
    workshop.mkdir()
    password = workshop / "password"
    password.write_text(secrets.token_urlsafe(18), encoding="ascii")
    give_away(workshop)
    data = workshop / "data"
    run(binaries, "initdb", "-D", data, "-U", ADMINISTRATOR, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--no-locale", "--no-sync", "--wal-segsize", "1", cwd=workshop)
    settings = {**SETTINGS, **({"io_method": "sync"} if binaries.major >= 18 else {})}
    (data / "postgresql.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()), encoding="ascii")
    (data / "pg_hba.conf").write_text(("" if os.name == "nt" else "local all all trust\n") + "host all all 127.0.0.1/32 scram-sha-256\n", encoding="ascii")
    statements = setup(binaries, password.read_text(encoding="ascii"))
    for database, lines in statements.items():
        run(binaries, "postgres", "--single", "-O", "-j", "-c", "exit_on_error=on", "-D", data, database, cwd=workshop, stdin=";\n\n".join(lines) + ";\n\n")
    if kept is None:
        return workshop
    try:
        staged = pathlib.Path(tempfile.mkdtemp(prefix=".new-", dir=kept.parent))
        shutil.copytree(workshop, staged, dirs_exist_ok=True)
        os.rename(staged, kept)
        cache.trim(kept.parent, MOST_BYTES)
    except OSError:             # another run was faster, or the disk is full
        shutil.rmtree(staged, ignore_errors=True)
    return workshop


def setup(binaries: Binaries, password: str) -> dict[str, list[str]]:
    """Statements by database, run once in single-user mode. template0 is what databases are made from."""
    roles = [f"CREATE ROLE {LOADER} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'"]
    roles += [f"DELETE FROM pg_authid WHERE rolname = '{name}'" for name in HARMFUL_ROLES.split(", ")]
    schema = [f"ALTER SCHEMA public OWNER TO {LOADER}"] if binaries.major < 15 else []
    roles.append("DROP DATABASE postgres")          # a third less to copy
    return {"template1": roles, "template0": [f"UPDATE pg_extension SET extowner = '{LOADER}'::regrole", *schema]}


def run(binaries: Binaries, program: str, *arguments: object, cwd: pathlib.Path, stdin: str = "") -> None:
    """Run a program of the installation as the server's user; CommandError with its words when it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run([binaries.program(program), *map(str, arguments)], input=stdin, capture_output=True, text=True, errors="replace", cwd=cwd, env=environment, **identity())
    if done.returncode:
        raise CommandError(f"{binaries.program(program)} failed: {(done.stderr.strip() or done.stdout.strip())[-500:]}",
                           "see that this PostgreSQL installation works, or name a server with --shadow URL", ExitCode.ENVIRONMENT, "NO_SCRATCH_SERVER")
