"""A run of the binary that can be killed, and clients that go on over its restarts."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

from programs import consistent

PATIENCE = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Engine:
    """`highwater run` in a folder, at one address however often it is started; `name` tells it from others there."""

    def __init__(self, binary, folder, args=(), data=True, name=""):
        self.binary, self.folder, self.port, self.process = binary, folder, free_port(), None
        self.args = [*args, *(["--data-dir", f"data{name}"] if data else [])]
        self.path, self.starts = f"{folder}/said{name}", 0
        self.said = open(self.path, "ab")

    def start(self):
        args = [self.binary, "run", "p.sql", "--listen", f"127.0.0.1:{self.port}", *self.args]
        self.starts += 1
        self.process = subprocess.Popen(args, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        code = self.process.wait()
        assert code == -signal.SIGKILL, f"it had ended by itself with code {code}:\n{self.tail()}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        assert code == 0, f"it ended with code {code}:\n{self.tail()}"

    def lives(self):
        return self.process.poll() is None

    def tail(self):
        with open(self.path, errors="replace") as said:
            return "".join(said.readlines()[-15:])

    def ask(self, method, path, body=None, kind="application/json", timeout=30):
        """Status and JSON of an answer; None if none came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"content-type": kind} if body is not None else {})
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in (answer.getheader("content-type") or "")
            return answer.status, json.loads(text) if is_json else text
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def get(self, path):
        """An answer of 200, which is waited for."""
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.ask("GET", path)
            if answer and answer[0] == 200:
                return answer[1]
            assert self.lives(), f"it has ended:\n{self.tail()}"
            assert not answer or answer[0] >= 429, f"{path}: {answer}"
            assert time.monotonic() < until, f"{path}: {answer}"
            time.sleep(0.02)

    def ready(self):
        answer = self.ask("GET", "/readyz", timeout=5)
        return bool(answer) and answer[0] == 200

    def rows(self, view):
        rows, cursor = [], ""
        while cursor is not None:
            answer = self.get(f"/api/v1/views/{view}/rows?limit=100000{cursor and '&cursor='}{cursor}")
            rows, cursor = rows + answer["rows"], answer["next"]
        return rows


class Sender(threading.Thread):
    """Sends a source's bodies one after another. One that is not answered, or not with 202, is sent again, blindly; some are given up
    when no answer came, and may be in or not."""

    def __init__(self, engine, source, rows, random, given_up=0.1):
        super().__init__(daemon=True)
        self.engine, self.source, self.rows, self.random, self.given_up = engine, source, rows, random, given_up
        # To any of which a body is sent, and sent again.
        self.engines = [engine]
        self.sent, self.sure, self.again, self.later, self.token, self.wrong = [], [], 0, 0, None, None
        self.ends, self.pause, self.tokens = threading.Event(), 0.15, []
        # While a start goes on.
        self.hurry = 0.01
        # Of how many the workers had no room; which start decided at once before.
        self.over, self.direct, self.bursts = 0, None, False

    def run(self):
        try:
            while not self.ends.is_set():
                # A start that takes rows while it goes on is given many.
                later = self.later
                self.send(self.rows.body(), True)
                if self.bursts:
                    # Until there is no room.
                    time.sleep(0 if self.later == later else 0.5)
                else:
                    time.sleep(self.random.random() * (self.pause if self.later == later else self.hurry))
        except BaseException as error:
            self.wrong = error
            raise

    def send(self, body, may_give_up):
        text = json.dumps(body)
        self.sent.append(body)
        self.sure.append(False)
        first = True
        while True:
            self.engine = self.random.choice(self.engines)
            if not first and may_give_up and self.random.random() < self.given_up:
                return
            answer = self.engine.ask("POST", f"/api/v1/sources/{self.source}/events", text)
            if answer and answer[0] in (202, 422):
                told = answer[1]
                assert told["accepted"] + told["rejected"] == len(body), told
                self.sure[-1], self.token = True, told["token"]
                self.later += told.get("later", False)
                if not told.get("later"):
                    self.direct = self.engine.starts
                self.over += told.get("later", False) and self.direct == self.engine.starts
                if len(self.sent) % 50 == 1 or told.get("later") and self.later % 10 == 1:
                    self.tokens.append((self.engine, self.token))
                return
            assert answer is None or answer[0] in (429, 503, 507), answer
            if not may_give_up and self.ends.is_set():
                assert self.engine.lives(), f"it has ended:\n{self.engine.tail()}"
            self.again += 1
            # Of what was refused nothing is in.
            first = first and answer is not None
            time.sleep(0.02)


class Keeper(threading.Thread):
    """Changes the rows of the table `users`, one request after another, each again until it is answered."""

    def __init__(self, engine, random):
        super().__init__(daemon=True)
        self.engine, self.random, self.rows, self.wrong, self.ends = engine, random, {}, None, threading.Event()

    def run(self):
        try:
            while not self.ends.is_set():
                key = f"u{self.random.randrange(7)}"
                row = {"id": key, "plan_name": self.random.choice(("free", "paid", "gone")), "score": self.random.randrange(100)}
                if self.random.random() < 0.2:
                    self.until("DELETE", f"?id={key}", None)
                    self.rows.pop(key, None)
                else:
                    self.until("POST", "", json.dumps(row))
                    self.rows[key] = row
                time.sleep(self.random.random() * 0.2)
        except BaseException as error:
            self.wrong = error
            raise

    def until(self, method, where, body):
        while True:
            answer = self.engine.ask(method, f"/api/v1/tables/users/rows{where}", body)
            if answer and answer[0] == 200:
                return
            assert answer is None or answer[0] in (429, 503, 507), answer
            assert not self.ends.is_set() or self.engine.lives(), f"it has ended:\n{self.engine.tail()}"
            time.sleep(0.02)


class Wrong(Exception):
    pass


class Reader(threading.Thread):
    """Reads the changes of views, over restarts by the id of the last event, and holds each against the rows that it has."""

    def __init__(self, engine, views):
        super().__init__(daemon=True)
        self.engine, self.views, self.id, self.state = engine, views, None, {}
        self.resets, self.resumed, self.events, self.wrong, self.ends = 0, 0, 0, None, threading.Event()
        self.lock, self.as_of, self.reset_reasons = threading.Lock(), {}, []

    def run(self):
        while not self.ends.is_set():
            try:
                self.follow()
            except (OSError, http.client.HTTPException, ValueError):
                pass
            except Wrong as error:
                self.wrong = error
                return
            time.sleep(0.02)

    def follow(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.engine.port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/stream?views={','.join(self.views)}", headers={"last-event-id": self.id} if self.id else {})
            answer = connection.getresponse()
            if answer.status != 200:
                return
            self.resumed += self.id is not None
            name, data = None, None
            while line := answer.readline():
                if not line.endswith(b"\n"):
                    return
                line = line.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    data = line[6:]
                elif line.startswith("id: "):
                    self.take(name, json.loads(data), line[4:])
                    name, data = None, None
                elif line == "" and name:
                    self.take(name, json.loads(data), None)
                    name, data = None, None
                if self.ends.is_set():
                    return
        finally:
            connection.close()

    def take(self, name, data, at):
        with self.lock:
            self.events += 1
            if name == "reset":
                self.resets += 1
                self.reset_reasons.append(data["reason"])
                self.state, self.as_of = {}, {}
            elif name == "snapshot":
                rows = {}
                for row in data["rows"]:
                    key = self.key({k: v for k, v in row.items() if k not in ("_status", "_version")}, row["_status"], row["_version"])
                    rows[key] = rows.get(key, 0) + 1
                self.state[data["view"]] = rows
            elif name == "delta":
                self.change(data)
            if at:
                self.id = at

    def change(self, data):
        rows, view = self.state.setdefault(data["view"], {}), data["view"]
        # In one epoch the order of changes says nothing: they are netted.
        for change in data["changes"]:
            if not consistent(view, change["row"]):
                raise Wrong(f"{view} told {change}")
            key = self.key(change["row"], change["status"], change["version"])
            rows[key] = rows.get(key, 0) + (1 if change["op"] == "insert" else -1)
        for change in data["changes"]:
            key = self.key(change["row"], change["status"], change["version"])
            if rows.get(key, 0) < 0:
                raise Wrong(f"{view}: at {data['as_of']} a row is taken back that is not there: {key}; resumed {self.resumed} times")
            if rows.get(key) == 0:
                del rows[key]

    @staticmethod
    def key(row, status, version):
        return json.dumps(row, sort_keys=True), status, version

    def holds(self, view, rows):
        """Whether it has the rows of an answer, with status and version."""
        told = {}
        for row in rows:
            key = self.key({k: v for k, v in row.items() if k not in ("_status", "_version")}, row["_status"], row["_version"])
            told[key] = told.get(key, 0) + 1
        with self.lock:
            return self.state.get(view, {}) == told
