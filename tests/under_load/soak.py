"""A server that everything is done to at once, for so many seconds: `python3 tests/under_load/soak.py BINARY [SECONDS]`.

In 300 s: 5,000 clients that vanish in the middle of what they do, 500 readers of a view of which 50 never read, and three times
the rows that the server takes. Shorter runs do so in proportion. Afterwards every row that was taken is in the result, every
reader that reads holds the view's rows, and descriptors, threads and memory are as they were before.
"""

import asyncio
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

BINARY, SECONDS = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 300.0
SHARE = SECONDS / 300
VANISHING, READERS, STUCK = int(5000 * SHARE), max(20, int(450 * SHARE)), max(5, int(50 * SHARE))
PAGES, ROWS, CONNECTIONS = 5, 1000, 12
# What may differ: the view's ring of changes, where a run is too short to fill it before, and figures of the last minutes.
MORE_MIB = 16

# What costs the worker far more than the client, so that three times as much can be offered.
LETTERS = " + ".join(
    f"CHAR_LENGTH(REGEXP_REPLACE(user_id, '^([a-z]+)-([0-9]*)({digit})$', '\\\\3-\\\\2-\\\\1'))" for digit in range(10)
)
PROGRAM = f"""
CREATE SOURCE clicks (page VARCHAR, user_id VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
  WITH ('connector' = 'http', 'format' = 'json', 'lateness' = 'unbounded', 'queue-rows' = '16384');
CREATE MATERIALIZED VIEW pages AS SELECT page, COUNT(*) AS n, SUM(ms) AS ms, SUM({LETTERS}) AS letters FROM clicks
GROUP BY page;
"""


class Server:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        with open(f"{self.folder.name}/p.sql", "w") as file:
            file.write(PROGRAM)
        # So that those that never read, or never say what they want, are gone before the end.
        limits = "idle=6s,head-time=5s,body-time=3s"
        args = [BINARY, "run", "p.sql", "--listen", "127.0.0.1:0", "-w", "1", "--limits", limits]
        self.process = subprocess.Popen(args, cwd=self.folder.name, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            if "serving http://" in line:
                self.port = int(line.rsplit(":", 1)[1])
                break
        self.said = []
        asyncio.get_running_loop().run_in_executor(None, lambda: self.said.extend(self.process.stderr))

    async def get(self, path):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        head, body = answer.split(b"\r\n\r\n", 1)
        assert b" 200 " in head.split(b"\r\n")[0], answer[:500]
        return json.loads(body)

    async def figures(self):
        health = await self.get("/api/v1/health")
        used = health["process"]
        # Without the program's own pages.
        with open(f"/proc/{self.process.pid}/status") as status:
            memory = int(re.search(r"RssAnon:\s+(\d+) kB", status.read()).group(1)) / 1024
        return {
            "descriptors": used["open_descriptors"], "threads": used["threads"], "MiB": memory,
            "connections": health["clients"]["connections"], "streams": health["clients"]["sse"],
            "answers": health["buffers"][1]["bytes"], "bodies": health["buffers"][0]["bytes"],
        }


async def quiet(server):
    """How the server is once everybody has left and what was kept at hand for them has gone: threads that have nothing to do
    go after 10 s, and with them the memory that they keep."""
    until, last = time.monotonic() + 60, None
    while True:
        await asyncio.sleep(1)
        now = await server.figures()
        gone = not now["streams"] and not now["answers"] and not now["bodies"] and now["connections"] <= 1
        names = ("descriptors", "threads")
        if gone and last and [now[name] for name in names] == [last[0][name] for name in names]:
            if time.monotonic() - last[1] > 12:
                return now
        else:
            last = now, time.monotonic()
        if time.monotonic() > until:
            return now


def body(number):
    at = time.time_ns() // 10**6
    rows = [
        f'{{"page":"/{(number * ROWS + row) % PAGES}","user_id":"user-{row % 97:05}","ms":{row},"ts":{at}}}'
        for row in range(ROWS)
    ]
    return "\n".join(rows).encode()


class Pushed:
    """What was sent, taken and refused, in rows."""

    def __init__(self):
        self.sent = self.taken = self.refused = 0
        self.longest = 0.0

    async def one(self, server, until, every):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        number, due = random.randrange(1000), time.monotonic()
        text = body(number)
        while time.monotonic() < until:
            if every:
                due += every
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            if number % 16 == 0:
                text = body(number)
            number += 1
            head = f"POST /api/v1/sources/clicks/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {len(text)}\r\n\r\n"
            begun = time.monotonic()
            writer.write(head.encode() + text)
            self.sent += ROWS
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", answer).group(1))
            told = json.loads(await reader.readexactly(length))
            self.longest = max(self.longest, time.monotonic() - begun)
            status = int(answer.split(b" ", 2)[1])
            assert status in (202, 429, 503), told
            if status == 202:
                assert told["accepted"] == ROWS and not told["errors"], told
                self.taken += ROWS
            else:
                assert b"retry-after" in answer, answer
                self.refused += ROWS
                if not every:
                    await asyncio.sleep(0.02)
        writer.close()

    async def run(self, server, seconds, rate):
        every = rate and ROWS * CONNECTIONS / rate
        until = time.monotonic() + seconds
        await asyncio.gather(*(self.one(server, until, every) for _ in range(CONNECTIONS)))
        return self


EFFECTS = {}


def effect(data):
    """What an event does to the rows held, read once for all readers."""
    if data not in EFFECTS:
        if len(EFFECTS) > 500:
            EFFECTS.clear()
        value = json.loads(data)
        strip = lambda row: json.dumps({name: row[name] for name in row if not name.startswith("_")})
        if "rows" in value:
            EFFECTS[data] = (True, [(strip(row), 1) for row in value["rows"]])
        else:
            changes = value.get("changes", [])
            EFFECTS[data] = (False, [(strip(of["row"]), 1 if of["op"] == "insert" else -1) for of in changes])
    return EFFECTS[data]


async def follow(server, done, held):
    """Reads a view's stream until `done`, and holds what it was told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**24)
    writer.write(b"GET /api/v1/views/pages/stream?every=500ms HTTP/1.0\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    while not done.is_set():
        try:
            event = await asyncio.wait_for(reader.readuntil(b"\n\n"), 1)
        except TimeoutError:
            continue
        for line in event.split(b"\n"):
            if line.startswith(b"data: "):
                fresh, changes = effect(line[6:])
                if fresh:
                    held.clear()
                for row, diff in changes:
                    held[row] = held.get(row, 0) + diff
                    if not held[row]:
                        del held[row]
    writer.close()


def stuck(server):
    """Asks for a stream and reads none of it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    held.connect(("127.0.0.1", server.port))
    held.send(b"GET /api/v1/views/pages/stream HTTP/1.0\r\n\r\n")
    return held


UPGRADE = "GET {} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
POST = b"POST /api/v1/sources/clicks/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\nexpect: 100-continue\r\n\r\n"
DOINGS = [
    b"",
    b"GET /livez HT",
    POST + b'{"page":"/1"',
    b"GET /api/v1/views/pages/stream HTTP/1.1\r\nhost: localhost\r\n\r\n",
    UPGRADE.format("/api/v1/views/pages/ws").encode() + b"\x89\x80aaaa" * 50,
    # A frame of 64 KiB of which little comes.
    UPGRADE.format("/api/v1/sources/clicks/ws").encode() + b"\x81\xfe\xff\xffaaaa" + b"x" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"GET /api/v1/views/pages/rows?limit=100000 HTTP/1.1\r\nhost: localhost\r\n\r\n" * 20,
]


async def vanish(server, number):
    """Begins something, and is gone."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(DOINGS[number % len(DOINGS)])
        await asyncio.sleep(random.random() * 2)
        if number % 3:
            writer.transport.abort()
        else:
            writer.close()
    except OSError:
        pass


async def crowd(server, seconds):
    tasks = []
    for number in range(VANISHING):
        tasks.append(asyncio.create_task(vanish(server, number)))
        await asyncio.sleep(seconds / VANISHING)
    await asyncio.gather(*tasks)


async def soak(server):
    # As long as the view's ring of changes takes to fill, in a run that is long enough for that.
    first = min(45.0, SECONDS / 5)
    warm = await Pushed().run(server, first, None)
    capacity = warm.taken / first
    # What a first crowd needs once stays: buffers, threads, pages of memory.
    first = [stuck(server) for _ in range(5)]
    await asyncio.gather(*(vanish(server, number) for number in range(64)))
    [held.close() for held in first]
    before = await quiet(server)

    done, rows = asyncio.Event(), [{} for _ in range(READERS)]
    readers = [asyncio.create_task(follow(server, done, held)) for held in rows]
    silent = [stuck(server) for _ in range(STUCK)]
    pushed = Pushed()
    await asyncio.gather(pushed.run(server, SECONDS, 3 * capacity), crowd(server, SECONDS))
    during = await server.figures()

    total, until = warm.taken + pushed.taken, time.monotonic() + 60
    while True:
        view = (await server.get("/api/v1/views/pages/rows?limit=1000"))["rows"]
        shown = sum(row["n"] for row in view)
        if shown == total or time.monotonic() > until:
            break
        await asyncio.sleep(0.1)
    wanted = {json.dumps({name: row[name] for name in row if not name.startswith("_")}): 1 for row in view}
    while time.monotonic() < until and any(held != wanted for held in rows):
        await asyncio.sleep(0.2)
    wrong = sum(held != wanted for held in rows)
    done.set()
    await asyncio.gather(*readers)
    [held.close() for held in silent]
    after = await quiet(server)
    server.process.terminate()
    code = server.process.wait(60)

    health = [
        ("rows sent", "", f"{pushed.sent + warm.sent:,}"),
        ("offered, times the capacity", "3", f"{pushed.sent / SECONDS / capacity:.2f}"),
        ("rows neither taken nor refused", "0", pushed.sent - pushed.taken - pushed.refused),
        ("rows taken that are not shown", "0", total - shown),
        ("readers that hold other rows", "0", wrong),
        ("longest answer to a body, s", "", f"{pushed.longest:.2f}"),
        ("clients that vanished, readers, of them stuck", "", f"{VANISHING}, {READERS + STUCK}, {STUCK}"),
        *((name, before[name], f"{during[name]:.0f}, then {after[name]:.0f}") for name in before),
        ("code at the end", "0", code),
    ]
    for what, wanted, found in health:
        print(f"| {what} | {wanted} | {found} |")
    assert code == 0, server.said[-20:]
    assert pushed.taken and pushed.refused and pushed.sent == pushed.taken + pushed.refused
    assert shown == total and not wrong
    held = [name for name in ("answers", "bodies", "streams") if after[name]]
    more = [name for name in ("descriptors", "threads") if after[name] > before[name] + 2]
    assert not held and not more, (held, more)
    assert after["MiB"] <= before["MiB"] * 1.1 + MORE_MIB, "memory grows"


async def main():
    server = Server()
    try:
        await soak(server)
    finally:
        # Its log is read until it ends.
        server.process.kill()


asyncio.run(main())
