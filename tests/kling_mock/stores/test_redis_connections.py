"""Redis with a password, with TLS, as a node of a cluster, and with a log of its changes."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
import trustme
from redis.crc import key_slot

from kling_mock import Fake
from kling_mock.console import Console
from kling_mock.stores.redis.address import RedisRefused
from tests.kling_mock.conftest import Caller
from tests.kling_mock.stores.redis_server import PATIENCE, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "redis-secret"


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts servers with options, which end after the test."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        servers.append(RedisServer(*options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return cast("int", listening.getsockname()[1])


def commands(fake: Fake) -> Any:
    return cast("Any", fake._store)._client


def test_a_password(started: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong one is an error at the start, and later 503; no message and no greeting shows it."""
    server = started("--requirepass", PASSWORD)
    place = f"{server.socket}?namespace=dev"
    for url in (f"unix://{place}", f"unix://:wrong-{PASSWORD}@{place}"):
        with pytest.raises(
            RedisRefused, match=r"^state unix://\S+\?namespace=dev: Redis refuses the user: "
        ) as error:
            Fake(state=url)
        assert PASSWORD not in str(error.value)
    with Fake(state=f"unix://:{PASSWORD}@{place}&health_check_interval=30") as fake:
        caller = Caller(fake)
        task = caller.create()["task_id"]
        Console(fake, quiet=True).show_start("http://127.0.0.1:8000")
        shown = capsys.readouterr().out
        assert f" unix://{place}   (1 task)" in shown
        assert PASSWORD not in shown
        commands(fake).config_set("requirepass", "another")
        commands(fake).connection_pool.disconnect()
        reply = caller.poll(task)
        assert reply.status == 503
        assert b"Redis refuses the user: " in reply.body
        assert PASSWORD.encode() not in reply.body
        fake._problems.clear()


def test_a_password_that_is_changed_and_changed_back_needs_no_restart(started: Any) -> None:
    server = started("--requirepass", PASSWORD)
    with Fake(state=f"unix://:{PASSWORD}@{server.socket}?namespace=dev") as fake:
        caller = Caller(fake)
        task = caller.create()["task_id"]
        kept = commands(fake).connection_pool.get_connection()  # goes on with the password it has sent
        for password, status in (("another", 503), (PASSWORD, 200)):
            kept.send_command("CONFIG", "SET", "requirepass", password)
            assert kept.read_response() == b"OK"
            commands(fake).connection_pool.disconnect(inuse_connections=False)
            assert caller.poll(task).status == status
        fake._problems.clear()


def test_tls(started: Any, folder: Path) -> None:
    """The certificate must be trusted, and the host be in it."""
    authority = trustme.CA()
    files = {name: folder / f"{name}.pem" for name in ("authority", "certificate", "key")}
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(files["authority"])
    issued.cert_chain_pems[0].write_to_path(files["certificate"])
    issued.private_key_pem.write_to_path(files["key"])
    port = free_port()
    started(
        *("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(files["authority"])),
        *("--tls-cert-file", str(files["certificate"]), "--tls-key-file", str(files["key"])),
    )
    trusted = f"&ssl_ca_certs={files['authority']}"
    with Fake(state=f"rediss://localhost:{port}/0?namespace=dev{trusted}") as fake:
        caller = Caller(fake)
        assert caller.poll(caller.create()["task_id"]).status == 200
    for url in (f"rediss://localhost:{port}/0?namespace=dev", f"redis://localhost:{port}/0?namespace=dev"):
        with pytest.raises(
            RedisRefused, match=r"^state rediss?://localhost:\d+/0\?namespace=dev: Redis does not"
        ):
            Fake(state=url)


def test_all_keys_are_on_one_node_of_a_cluster(started: Any) -> None:
    """A node refuses a script that uses keys of several slots."""
    server: RedisServer = started()
    with Fake(state=server.url("dev")) as fake:
        past(fake)
        saved = fake.snapshot()
        fake.account("sk-mock").reset()
        fake.load_state(saved, replace=True)
        keys: list[bytes] = commands(fake).keys("*")
        assert len(keys) > 10
        assert {key_slot(key) for key in keys} == {key_slot(b"dev")}
        assert all(key.startswith(b"{dev}:") for key in keys)


def past(fake: Fake) -> None:
    caller = Caller(fake)
    fake.when(prompt="*cat*").fails("no luck").optional()
    task = caller.create(prompt="a cat", external_task_id="mine", callback_url="https://h.test/")["task_id"]
    fake.callbacks.deliver_to(lambda _: 200)
    caller.poll(task)
    caller.get("/v1/images/multi-image2image?pageNum=1&pageSize=30")
    fake.clock.advance(60)
    cast("Any", fake._store).lease(task)


def test_a_log_of_changes_survives_the_end_of_redis(started: Any) -> None:
    """`appendfsync always`: no change that was answered is lost, and the fake goes on without a restart."""
    server = started("--appendonly", "yes", "--appendfsync", "always")
    with Fake(state=server.url("dev")) as fake:
        caller = Caller(fake)
        task = caller.create(external_task_id="mine")["task_id"]
        server.kill()
        assert caller.poll(task).status == 503
        server.start()
        deadline = time.monotonic() + PATIENCE
        while caller.poll(task).status == 503:  # Redis is loading its data
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert caller.poll(task).status == 200
        assert caller.ask(external_task_id="mine").status == 400
        assert [each.id for each in fake.tasks] == [task]
        fake._problems.clear()
