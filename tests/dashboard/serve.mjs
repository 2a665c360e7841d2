// The page as it stands in src/serve/dashboard, before an engine that runs: node serve.mjs PORT ENGINE_PORT. A change of a file is
// there with the next loading, and nothing is compiled. All else, and every header, is the engine's.
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { folder } from "./harness.mjs";

const [, , port, engine] = process.argv, files = join(folder, "../../src/serve/dashboard");

createServer((asked, answer) => {
  const path = new URL(asked.url, "http://page").pathname, asset = path === "/" ? "index.html" : /^\/assets\/([\w.]+)$/.exec(path)?.[1];
  const headers = { ...asked.headers, host: "127.0.0.1:" + engine };
  if (headers.origin) headers.origin = "http://127.0.0.1:" + engine;
  if (asset) { delete headers["if-none-match"]; delete headers["accept-encoding"] }
  const onward = request({ host: "127.0.0.1", port: engine, path: asked.url, method: asked.method, headers }, async told => {
    const text = asset && told.statusCode === 200 ? await readFile(join(files, asset)).catch(() => null) : null;
    if (text) { told.resume(); const { etag, "content-length": length, ...rest } = told.headers; answer.writeHead(200, rest); answer.end(text) }
    else { answer.writeHead(told.statusCode, told.headers); told.pipe(answer) }
  });
  onward.on("error", () => answer.destroy());
  answer.on("close", () => onward.destroy());
  asked.pipe(onward);
}).listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
