"""Koa 3 with @koa/router 15."""
NAME = "koa"
MOUNT, APP, SERVER = "mount-koa.ts", "app-koa.ts", "server-node.ts"
APP_TYPE, APP_TYPE_MODULE, APP_TYPE_IS_DEFAULT = "Koa", "koa", True
MOUNT_EXPORTS = ("errorHandler",)
DEPENDENCIES = {"@koa/router": "^15.0.0", "koa": "^3.0.0"}
DEV_DEPENDENCIES = {"@types/koa": "^3.0.0"}
