"""The guard by itself: what it asks of a token, and what every answer says."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from lob_sim.explorer.guard import Guard, Receive, Scope, Send

Message = MutableMapping[str, Any]
HEADERS = {b"host": b"127.0.0.1:80"}
COOKIE = {**HEADERS, b"cookie": b"other=1; lob_sim_explore_80=secret"}


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """What is guarded: it answers everybody, and leaves those to fail who have left."""
    if (await receive())["type"] == "http.disconnect" or scope["path"] == "/defect":
        raise RuntimeError("no response returned")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"own")]})
    await send({"type": "http.response.body", "body": b"inside"})


def answer(
    headers: dict[bytes, bytes], path: str = "/", query: bytes = b"", received: str = "http.request"
) -> list[Message]:
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": received}

    async def send(message: Message) -> None:
        said.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": list(headers.items())}
    asyncio.run(Guard(inside, "secret", 80)(scope, receive, send))
    return said


def test_a_token_is_compared_in_constant_time_and_in_no_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def says_yes(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return True

    wrong = {**HEADERS, b"cookie": b"lob_sim_explore_80=wrong"}
    assert answer(wrong)[0]["status"] == answer(HEADERS, query=b"token=wrong")[0]["status"] == 403
    monkeypatch.setattr("hmac.compare_digest", says_yes)
    assert answer(wrong)[1]["body"] == b"inside"
    assert (b"set-cookie", b"lob_sim_explore_80=secret; Path=/; HttpOnly; SameSite=Strict") in answer(
        HEADERS, query=b"token=wrong"
    )[0]["headers"]
    assert compared == [(b"wrong", b"secret")] * 2


def test_an_address_with_the_token_leads_to_one_without_it() -> None:
    start, body = answer(HEADERS, query=b"token=secret")
    assert start["status"] == 200
    assert b"secret" not in body["body"]
    assert dict(start["headers"])[b"cache-control"] == b"no-store"
    # It lets in at the door alone, once, and says nothing of what is behind it.
    assert answer(HEADERS, "/runs/x", b"token=secret")[0]["status"] == 403
    assert answer(HEADERS, query=b"token=secret&token=secret")[0]["status"] == 403


def test_every_answer_forbids_what_comes_from_elsewhere_and_keeps_what_was_said() -> None:
    for headers, status in ((COOKIE, 200), (HEADERS, 403)):
        start, _ = answer(headers)
        assert start["status"] == status
        said = dict(start["headers"])
        assert b"default-src 'self'" in said[b"content-security-policy"]
        assert b"frame-ancestors 'none'" in said[b"content-security-policy"]
        assert said[b"referrer-policy"] == b"no-referrer"
    assert dict(answer(COOKIE)[0]["headers"])[b"x-frame-options"] == b"own"


def test_who_leaves_before_the_answer_is_no_defect_and_a_defect_is_one() -> None:
    assert answer(COOKIE, received="http.disconnect") == []
    with pytest.raises(RuntimeError):
        answer(COOKIE, "/defect")
