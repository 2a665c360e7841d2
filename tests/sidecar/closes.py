"""How a WebSocket ends, with a client that knows nothing of the server: with the code and the reason of what was wrong, and
with everything acknowledged that was sent before, a Close in the same segment or not. A row that is not taken says why."""

import asyncio
import json
import socket as sockets
import struct
import sys

import websockets

ADDRESS = f"ws://{sys.argv[1]}"
INGEST = "/api/v1/sources/clicks/ws"
VIEW = "/api/v1/views/sums/ws"


def frame(code, payload):
    """A whole frame as a client sends it, its mask all zeros."""
    length = len(payload)
    head = bytes([0x80 | code, 0x80 | length]) if length < 126 else bytes([0x80 | code, 0x80 | 126]) + struct.pack(">H", length)
    return head + bytes(4) + payload


async def answers(socket, many):
    return [json.loads(await asyncio.wait_for(socket.recv(), 30)) for _ in range(many)]


async def ends(path, code, reason, sent, before=0, then=b""):
    """Sends bytes, and then now and then more; hears so many acknowledgements, then the end."""

    async def drip(transport):
        while then:
            await asyncio.sleep(0.2)
            transport.write(then)

    async with websockets.connect(f"{ADDRESS}{path}", max_size=None) as socket:
        socket.transport.write(sent)
        dripping = asyncio.create_task(drip(socket.transport))
        try:
            heard = []
            while True:
                heard.append(json.loads(await asyncio.wait_for(socket.recv(), 30)))
        except websockets.exceptions.ConnectionClosed as closed:
            assert closed.rcvd is not None, f"{path}: no Close came: {closed}"
            assert closed.rcvd.code == code and reason in closed.rcvd.reason, f"{path}: {closed.rcvd}"
        dripping.cancel()
        acks = [answer["seq"] for answer in heard if answer["type"] == "ack"]
        assert acks == list(range(1, before + 1)), acks


def half_closed(event):
    """Frames and the end of the client's side at once: each is acknowledged, and the end is a Close."""
    host, port = sys.argv[1].rsplit(":", 1)
    key = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    for _ in range(40):
        with sockets.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(f"GET {INGEST} HTTP/1.1\r\nhost: localhost\r\n{key}\r\n\r\n".encode())
            heard = b""
            while b"\r\n\r\n" not in heard:
                heard += client.recv(4096)
            client.sendall(event * 5)
            client.shutdown(sockets.SHUT_WR)
            while part := client.recv(4096):
                heard += part
        assert heard.count(b'"type":"ack"') == 5 and heard.endswith(b"\x88\x00"), heard


async def main():
    event = b'{"page":"/a","ms":1,"ts":100000}'
    taken = frame(1, event) * 3
    for path, before, good in [(INGEST, 3, taken), (VIEW, 0, b"")]:
        await ends(path, 1007, "not UTF-8", good + frame(1, b'{"page":"\xff\xfe"}'), before)
        await ends(path, 1002, "", good + frame(3, b"x"), before)
        # Not masked, as a client's frames must be.
        await ends(path, 1002, "", good + b"\x81\x02{}", before)
        await ends(path, 1000, "", good + frame(8, struct.pack(">H", 1000)), before)
    # A message that does not come on.
    await ends(INGEST, 1008, "came too slowly", taken + bytes([0x81, 0xFE, 0x10, 0x00]) + bytes(4) + b"x", 3, b"x")
    half_closed(frame(1, event))
    long = bytes([0x81, 0xFF]) + struct.pack(">Q", 64 << 20) + bytes(4) + b"x" * 1000
    await ends(INGEST, 1009, "the limit is", taken + long, 3)
    await ends(VIEW, 1009, "the limit is 4096", frame(1, b"x" * 5000))

    # Many frames and a Close in one go: each is acknowledged before the Close is answered.
    await ends(INGEST, 1000, "", frame(1, event) * 500 + frame(8, struct.pack(">H", 1000)), 500)
    # The client itself stops reading if it may keep only some messages; then it would not see the Close.
    async with websockets.connect(f"{ADDRESS}{INGEST}", max_queue=None) as socket:
        for _ in range(100):
            await socket.send(event.decode())
        await socket.close()
        assert [answer["seq"] for answer in await answers(socket, 100)] == list(range(1, 101))

    async with websockets.connect(f"{ADDRESS}{INGEST}") as socket:
        await socket.send('{"page":"/a","ms":1,"ts":1}')
        await socket.send('[{"page":"/a","ms":1,"ts":100000},{"page":"/a","ms":"x","ts":1},{"page":"/a","ms":1,"ts":2}]')
        await socket.send('{"page":"/a","ms":"many","ts":100000}')
        late, several, wrong = await answers(socket, 3)
        assert (late["accepted"], late["rejected"], late["errors"][0]["row"]) == (0, 1, 0), late
        assert late["errors"][0]["reason"].startswith("late: 94999 ms behind the watermark"), late
        assert (several["accepted"], several["rejected"]) == (1, 2), several
        reasons = {error["row"]: error["reason"] for error in several["errors"]}
        assert "ms" in reasons[1] and reasons[2].startswith("late: "), several
        assert "'ms'" in wrong["errors"][0]["reason"], wrong
    print("all is well")


asyncio.run(main())
