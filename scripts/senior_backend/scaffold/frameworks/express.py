"""Express 5."""
NAME = "express"
MOUNT, APP, SERVER = "mount-express.ts", "app-express.ts", "server-node.ts"
APP_TYPE, APP_TYPE_MODULE, APP_TYPE_IS_DEFAULT = "IRouter", "express", False
MOUNT_EXPORTS = ("errorHandler", "notFound")
DEPENDENCIES = {"express": "^5.1.0"}
DEV_DEPENDENCIES = {"@types/express": "^5.0.3"}
