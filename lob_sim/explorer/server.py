"""The server: on the loopback address alone, behind its guard, until it is told to end."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from nicegui import ui

from lob_sim.errors import InputError
from lob_sim.explorer.guard import Guard
from lob_sim.explorer.jobs import Job, Jobs
from lob_sim.explorer.page import Tab
from lob_sim.explorer.worker import PAGE

LOOPBACK = "127.0.0.1"
_GRACE_S = 2


def serve(scenarios: Sequence[str], folder: Path, port: int, opened: Callable[[str], None]) -> None:
    """Serve the page until the process is told to end.

    Args:
        scenarios: What may be chosen, the first at the beginning: names of packaged scenarios, and files.
        folder: Where logs and pages are kept.
        port: Where to listen; 0 for any that is free.
        opened: Called with the address, token and all, once it answers.

    Raises:
        InputError: The port is taken.
    """
    try:
        listener = socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise InputError(f"cannot be listened on: {error.strerror}", f"--port {port}") from None
    with listener:
        asyncio.run(_serve(scenarios, folder, listener, opened))


async def _serve(
    scenarios: Sequence[str], folder: Path, listener: socket.socket, opened: Callable[[str], None]
) -> None:
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(32)
    jobs = Jobs(folder)
    jobs.find_kept()
    app = application(jobs, scenarios)
    config = uvicorn.Config(
        Guard(app, token, port), log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            opened(f"http://{LOOPBACK}:{port}/?token={token}")
        await serving
    finally:
        await jobs.close()


def application(jobs: Jobs, scenarios: Sequence[str]) -> FastAPI:
    """The application behind the guard: the page of a tab, and the files of runs."""
    # A terminal is told of what is wrong, and not of what somebody has asked for in vain.
    logging.getLogger("nicegui").setLevel(logging.ERROR)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @ui.page("/")
    def index(request: Request) -> None:
        Tab(jobs, scenarios, request.url.query).build()

    def job_of(folder: str) -> Job:
        for job in jobs.all:
            if job.folder.name == folder:
                return job
        raise HTTPException(404)

    @app.get(f"/runs/{{folder}}/{PAGE}")
    def report(folder: str) -> Response:
        return _page(job_of(folder).page)

    @app.get("/runs/{folder}/scenario.toml")
    def scenario(folder: str) -> Response:
        job = job_of(folder)
        headers = {"content-disposition": 'attachment; filename="scenario.toml"', "cache-control": "no-store"}
        return PlainTextResponse(job.plan.toml, headers=headers)

    @app.get("/runs/{name}")
    def comparison(name: str) -> Response:
        for _, page in jobs.comparisons:
            if page.name == name:
                return _page(page)
        raise HTTPException(404)

    ui.run_with(
        app, title="lob_sim explorer", dark=None, tailwind=False, show_welcome_message=False, storage_secret=None
    )
    return app


def _page(path: Path) -> Response:
    # Only files that the explorer itself has written are asked for here: never one that a request names.
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, media_type="text/html", headers={"cache-control": "no-store"})
