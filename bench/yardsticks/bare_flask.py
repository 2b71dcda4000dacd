"""The least that Flask and redis-py can do: a page from Redis, without a token or a log line."""

import os
from pathlib import Path

from flask import Flask, Response
from redis import Redis

app = Flask(__name__)
redis = Redis.from_url(os.environ["REDIS_URL"])
redis.set("bench:page", Path(os.environ["BENCH_BODY"]).read_bytes())


@app.get("/loads")
def list_loads() -> Response:
    """Return the page."""
    return Response(redis.get("bench:page"), content_type="application/json")
