"""The only things in which the three servers differ before they run."""
from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Framework:
    """One framework. Of the files in assets/scaffold/ mount-NAME.ts becomes mount.ts, app-NAME.ts app.ts."""
    name: str                          # as given to --framework
    server: str                        # the file that becomes server.ts
    app: tuple[str, str, str]          # the type that registerRoutes takes, how it is imported, from where
    mounted: tuple[str, ...]           # what index.ts passes on from mount.ts
    dependencies: dict[str, str]       # npm package -> version range
    dev_dependencies: dict[str, str]


FRAMEWORKS = {made.name: made for made in (
    Framework("express", "server-node.ts", ("IRouter", "{ IRouter }", "express"), ("errorHandler", "notFound"), {"express": "^5.1.0"}, {"@types/express": "^5.0.3"}),
    Framework("fastify", "server-fastify.ts", ("FastifyInstance", "{ FastifyInstance }", "fastify"), ("errorHandler", "notFound"), {"fastify": "^5.6.0"}, {}),
    Framework("koa", "server-node.ts", ("Koa", "Koa", "koa"), ("errorHandler",), {"@koa/router": "^15.0.0", "koa": "^3.0.0"}, {"@types/koa": "^3.0.0"}),
)}
