"""Pushes events over one WebSocket and follows a view over others, with a client that knows nothing of the server:
every frame is acknowledged, a reader that leaves and comes back misses and repeats nothing, refusals are HTTP answers."""

import asyncio
import json
import sys

import websockets

ADDRESS = f"ws://{sys.argv[1]}"
ROWS = 2000


async def send():
    async with websockets.connect(f"{ADDRESS}/api/v1/sources/clicks/ws") as socket:
        for at in range(ROWS // 10):
            rows = [{"page": f"/{n % 7}", "ms": n, "ts": n * 10} for n in range(at * 10, at * 10 + 10)]
            await socket.send(json.dumps(rows))
            if at % 20 == 0:
                await asyncio.sleep(0.01)
        for seq in range(1, ROWS // 10 + 1):
            answer = json.loads(await asyncio.wait_for(socket.recv(), 30))
            assert answer == {"type": "ack", "seq": seq, "accepted": 10, "rejected": 0}, answer


async def follow(leave_after):
    """Reads `leave_after` events, leaves, comes back, until all rows are counted."""
    held, last = {}, ""
    while True:
        query = f"?last_event_id={last}" if last else ""
        async with websockets.connect(f"{ADDRESS}/api/v1/views/sums/ws{query}", max_size=None) as socket:
            for _ in range(leave_after):
                event = json.loads(await asyncio.wait_for(socket.recv(), 30))
                kind, last, data = event["type"], event["id"], event["data"]
                if kind == "snapshot":
                    assert not held, "a snapshot where the stream should have gone on"
                    for row in data["rows"]:
                        status, version = row.pop("_status"), row.pop("_version")
                        held[json.dumps([row, status, version])] = 1
                elif kind == "delta":
                    for change in data["changes"]:
                        key = json.dumps([change["row"], change["status"], change["version"]])
                        if change["op"] == "insert":
                            assert key not in held, f"told twice: {key}"
                            held[key] = 1
                        else:
                            del held[key]
                else:
                    assert kind == "progress", event
                    if sum(json.loads(key)[0]["n"] for key in held) == ROWS:
                        return sorted(held)


async def refused(path, status, **more):
    try:
        async with websockets.connect(f"{ADDRESS}{path}", **more):
            raise AssertionError(f"{path} was not refused")
    except websockets.exceptions.InvalidStatus as error:
        assert error.response.status_code == status, f"{path}: {error.response.status_code}"
        assert json.loads(error.response.body)["status"] == status


async def main():
    readers = [asyncio.create_task(follow(events)) for events in (1, 2, 3, 10, 1000)]
    await send()
    held = await asyncio.wait_for(asyncio.gather(*readers), 60)
    rows = [sorted(json.dumps(json.loads(key)[0]) for key in reader) for reader in held]
    assert all(reader == rows[0] for reader in rows), "the readers do not hold the same"
    await refused("/api/v1/views/none/ws", 404)
    await refused("/api/v1/sources/none/ws", 404)
    await refused("/ws/ingest", 403, origin="https://evil.example")
    print("all is well")


asyncio.run(main())
