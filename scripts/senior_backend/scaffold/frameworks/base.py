"""What a framework module gives: the only things in which the three servers differ before they run."""
from __future__ import annotations

from typing import Protocol

from senior_backend.scaffold.frameworks import express, fastify, koa


class Framework(Protocol):
    """One framework. The files are named as in assets/scaffold/."""
    NAME: str                          # as given to --framework
    MOUNT: str                         # file that becomes mount.ts
    APP: str                           # file that becomes app.ts
    SERVER: str                        # file that becomes server.ts
    APP_TYPE: str                      # what registerRoutes takes
    APP_TYPE_MODULE: str               # where that type comes from
    APP_TYPE_IS_DEFAULT: bool          # whether it is that module's default export
    MOUNT_EXPORTS: tuple[str, ...]     # what index.ts passes on from mount.ts
    DEPENDENCIES: dict[str, str]       # npm package -> version range
    DEV_DEPENDENCIES: dict[str, str]


FRAMEWORKS: dict[str, Framework] = {module.NAME: module for module in (express, fastify, koa)}
