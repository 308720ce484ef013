"""The run's log as a person reads it in a terminal: time, step, message."""

import logging
from typing import Any

import dagster as dg


class _Formatter(logging.Formatter):
    """Dagster puts job, run id and step before each message; here the step is enough."""

    def format(self, record: logging.LogRecord) -> str:
        meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        message = meta.get("orig_message") or record.getMessage()
        step = meta.get("step_key") or meta.get("job_name") or record.name
        return f"{self.formatTime(record, '%H:%M:%S')}  {step}: {message}"


@dg.logger(config_schema={"log_level": dg.Field(str, default_value="INFO")})
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Lines of level `log_level` and above on standard error."""
    logger = logging.Logger("wunderkammer_console", context.logger_config["log_level"])
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logger.addHandler(handler)
    return logger
