"""Fastify 5."""
NAME = "fastify"
MOUNT, APP, SERVER = "mount-fastify.ts", "app-fastify.ts", "server-fastify.ts"
APP_TYPE, APP_TYPE_MODULE, APP_TYPE_IS_DEFAULT = "FastifyInstance", "fastify", False
MOUNT_EXPORTS = ("errorHandler", "notFound")
DEPENDENCIES = {"fastify": "^5.6.0"}
DEV_DEPENDENCIES: dict[str, str] = {}
