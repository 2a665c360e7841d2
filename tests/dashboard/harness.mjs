// What the checks of the page stand on: servers that end with the test, a line that can be cut, pages of which every error is kept.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

const highwater = process.argv[2];
export const folder = dirname(fileURLToPath(import.meta.url));
export const SECTIONS = ["board", "views", "alerts", "time", "dataflow", "tables", "health"];
export const WIDTHS = [390, 820, 1600];

// Checks run side by side, so none is given a port that another has been.
const given = new Set();
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise(done => server.close(done));
  if (given.has(port)) return freePort();
  given.add(port);
  return port;
}

// No server outlives the test, however that ends.
const children = new Set();
process.on("exit", () => { for (const child of children) child.kill("SIGKILL") });

export class Server {
  constructor(program, port, args = []) { Object.assign(this, { program, port, args, base: `http://127.0.0.1:${port}` }) }
  /** Starts it; it may wait for others. */
  launch() {
    this.child = spawn(highwater, ["run", join(folder, this.program), ...(this.args.includes("-w") ? [] : ["-w", "1"]), "--listen", `127.0.0.1:${this.port}`, ...this.args], { stdio: "ignore", cwd: folder });
    children.add(this.child);
  }
  async start() {
    this.launch();
    for (let tries = 0; tries < 300; tries++) {
      if ((await fetch(this.base + "/readyz").catch(() => null))?.ok) return this;
      await sleep(100);
    }
    throw new Error("the server does not become ready");
  }
  /** One that has ended by itself, as a process of a cluster does with its peer, is not waited for. */
  async stop() {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) { const ended = once(child, "exit"); child.kill("SIGTERM"); await ended }
    children.delete(child);
  }
  /** Stopped as by a debugger, or a host that swaps: it has its connections, and says nothing. */
  freeze() { this.child.kill("SIGSTOP") }
  thaw() { this.child.kill("SIGCONT") }
  /** A file beside its program. */
  text(name) { return readFile(join(folder, name), "utf8") }
  async json(path) { const answer = await fetch(this.base + path); assert.equal(answer.status, 200, path); return answer.json() }
}

/** What stands between the page and the server, and can be cut. */
export class Line {
  constructor(to) { Object.assign(this, { to, sockets: new Set(), resumed: [] }) }
  async start() {
    this.server = createServer(socket => {
      if (this.isCut) return socket.destroy();
      const onward = connect(this.to, "127.0.0.1");
      for (const [from, to] of [[socket, onward], [onward, socket]]) {
        this.sockets.add(from);
        from.on("error", () => {}).on("close", () => { this.sockets.delete(from); to.destroy() });
        from.pipe(to);
      }
      socket.on("data", bytes => { const id = /last-event-id: (\S+)/i.exec(bytes.toString("latin1")); if (id) this.resumed.push(id[1]) });
    }).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.base = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }
  cut() { this.isCut = true; for (const socket of this.sockets) socket.destroy() }
  mend() { this.isCut = false }
  stop() { this.cut(); this.server.close() }
}

/** A page of which every error, and every request that goes elsewhere, is kept. */
export async function open(browser, server, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage(), seen = { errors: [], outside: [], streams: [] };
  page.on("console", message => { if (message.type() === "error" && !seen.down) seen.errors.push(message.text() + " " + message.location().url) });
  page.on("pageerror", error => seen.errors.push(error.stack));
  page.on("request", request => {
    if (!request.url().startsWith(server.base + "/")) seen.outside.push(request.url());
    if (request.url().includes("/stream")) seen.streams.push(request.url());
  });
  await page.goto(server.base + "/" + (options.hash ?? ""));
  return { page, seen };
}

export const until = (page, act, argument, what) => page.waitForFunction(act, argument, { timeout: 60_000, polling: 100 }).catch(() => { throw new Error("never: " + what) });
export const stateIs = (page, word) => until(page, word => document.querySelector("#state").textContent.trim() === word, word, `the page says '${word}'`);
export const value = async (page, name) => Number((await page.textContent(`[data-value=${name}]`)).replaceAll(",", ""));
export const section = async (page, name) => { await page.evaluate(name => { location.hash = name }, name); await page.waitForTimeout(600) };

/** Gives a source rows (or lines of text) and waits until every view shows them; none is rejected. */
export const push = async (server, source, rows) => {
  const body = rows.map(row => typeof row === "string" ? row : JSON.stringify(row)).join("\n");
  const answer = await fetch(`${server.base}/api/v1/sources/${source}/events`, { method: "POST", headers: { "content-type": "application/x-ndjson" }, body });
  assert.equal(answer.status, 202, await answer.clone().text());
  const { token, rejected } = await answer.json();
  assert.equal(rejected, 0);
  for (let tries = 0; !(await server.json("/api/v1/completion/" + token)).complete; tries++) { assert.ok(tries < 1000, "never complete"); await new Promise(done => setTimeout(done, 20)) }
};
