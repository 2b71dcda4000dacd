"""gunicorn's own lines, among all others and in their format."""

from gunicorn.config import Config
from gunicorn.glogging import Logger


class GunicornLogger(Logger):
    """Leaves its errors to the handler of all loggers (see `billor.logs`)."""

    def setup(self, cfg: Config) -> None:
        """Apply gunicorn's configuration."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
