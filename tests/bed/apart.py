"""Gives each parallel session of tests a Redis database of its own, before settings are read."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

DATABASES = 16  # what a Redis server has unless told otherwise


def own_redis(url: str, worker: str) -> str:
    """The address of the database for a parallel session (`gw0`); the same for a lone one ("")."""
    if not worker:
        return url
    parts = urlsplit(url)
    number = (int(parts.path.strip("/") or 0) + 1 + int(worker.removeprefix("gw"))) % DATABASES
    return parts._replace(path=f"/{number}").geturl()


if "REDIS_URL" in os.environ:
    os.environ["REDIS_URL"] = own_redis(
        os.environ["REDIS_URL"], os.environ.get("PYTEST_XDIST_WORKER", "")
    )
