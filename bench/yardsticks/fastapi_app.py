"""A minimal FastAPI service that does the same two requests, on asyncpg and redis.asyncio.

It checks the token, reads a page from Redis, and assigns a load in one transaction with its event.
It has none of Billor's guarantees beyond that.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import jwt
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from redis.asyncio import Redis

SECRET_KEY = os.environ["JWT_SECRET_KEY"]
POOL_SIZE = int(os.environ["DATABASE_POOL_SIZE"])
PAGE_KEY = "fastapi:loads"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pools of this process."""
    app.state.redis = Redis.from_url(os.environ["REDIS_URL"])
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE
    ) as app.state.postgresql:
        yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


def current_user(token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> int:
    """Return the id of the token's user."""
    try:
        return int(jwt.decode(token.credentials, SECRET_KEY, algorithms=["HS256"])["sub"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error


class AssignmentRequest(BaseModel):
    """The body of POST /assignments."""

    driver_id: int = Field(alias="driverId")
    load_id: int = Field(alias="loadId")


@app.get("/loads", dependencies=[Depends(current_user)])
async def list_loads() -> Response:
    """Return the newest loads, from Redis if they are there."""
    page = await app.state.redis.get(PAGE_KEY)
    if page is None:
        async with app.state.postgresql.acquire() as connection:
            rows = await connection.fetch(
                "SELECT * FROM loads ORDER BY created_at DESC, id DESC LIMIT 50"
            )
        page = json.dumps([_wire(row) for row in rows]).encode()
        await app.state.redis.set(PAGE_KEY, page, ex=60)
    return Response(page, media_type="application/json")


@app.post("/assignments", status_code=201)
async def assign(body: AssignmentRequest, user: Annotated[int, Depends(current_user)]) -> Response:
    """Assign a load to a driver, and store the event, in one transaction."""
    async with app.state.postgresql.acquire() as connection, connection.transaction():
        driver = await connection.fetchrow(
            "SELECT * FROM drivers WHERE id = $1 FOR NO KEY UPDATE", body.driver_id
        )
        load = await connection.fetchrow(
            "SELECT * FROM loads WHERE id = $1 FOR NO KEY UPDATE", body.load_id
        )
        if driver is None or load is None:
            raise HTTPException(404)
        if driver["status"] != "ACTIVE" or load["status"] != "OPEN":
            raise HTTPException(409)
        assignment = await connection.fetchrow(
            "INSERT INTO driver_load_assignments (driver_id, load_id, status)"
            " VALUES ($1, $2, 'ASSIGNED') RETURNING *",
            body.driver_id,
            body.load_id,
        )
        load = await connection.fetchrow(
            "UPDATE loads SET status = 'ASSIGNED', updated_at = clock_timestamp()"
            " WHERE id = $1 RETURNING *",
            body.load_id,
        )
        payload = {"load": _wire(load), "driver": _wire(driver), "user": {"id": user}}
        await connection.execute(
            "INSERT INTO load_events (id, type, load_id, driver_id, assignment_id, payload)"
            " VALUES ($1, 'load.assigned', $2, $3, $4, $5)",
            uuid.uuid4(),
            body.load_id,
            body.driver_id,
            assignment["id"],
            json.dumps(payload),
        )
    await app.state.redis.delete(PAGE_KEY)
    return Response(json.dumps(_wire(assignment)), 201, media_type="application/json")


def _wire(row: asyncpg.Record) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
