// The token that the server is asked with: that of the page's address (`/?access_token=...`), or what was typed here. It is kept
// as long as the tab is, and is in no address that the page hands out.

import { at, make, mark, set } from "./dom.js";

const of = new URLSearchParams(location.search).get("access_token");
const kept = { get: () => { try { return sessionStorage.getItem("token") } catch { return null } }, set: text => { try { sessionStorage.setItem("token", text) } catch { /* not kept */ } } };

export const token = { value: of ?? kept.get() };
export const withToken = path => token.value ? path + (path.includes("?") ? "&" : "?") + "access_token=" + encodeURIComponent(token.value) : path;

const WORDS = {
  missing: ["This server asks for a token.", "It is a line of the file that the server was started with (-\u2060-\u2060tokens); ask who runs it."],
  wrong: ["That token is wrong.", "There is no such token on this server."],
  expired: ["That token has expired.", ""],
  role: ["That token may not read.", ""],
};

let gate = null;
/** Shows the field while the server asks for a token, with why the last one did not do. */
export function locked(why, again) {
  if (!why) { if (gate) { gate.remove(); gate = null; at("main").inert = false } return }
  if (!gate) {
    const input = make("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "token-why" });
    const form = make("form", { class: "card", onsubmit: event => {
      event.preventDefault();
      token.value = input.value.trim(); kept.set(token.value);
      // A token of the address that did not do is not asked with again.
      if (of) history.replaceState(null, "", location.pathname + location.hash);
      set(gate.head, "Asking …"); again();
    } }, gate?.head, make("label", { for: "token" }, "Token"), make("div", { class: "tools" }, input, make("button", { type: "submit", class: "main" }, "Open")));
    gate = make("section", { class: "gate", "aria-label": "Token" }, form);
    gate.head = make("h1"); gate.words = make("p", { class: "note", id: "token-why", role: "alert" });
    form.prepend(gate.head, gate.words); gate.input = input;
    at("main").before(gate); at("main").inert = true;
    input.focus();
  }
  const [head, words] = WORDS[why.why] ?? WORDS.missing;
  set(gate.head, head); set(gate.words, words || sentence(why.detail)); mark(gate.input, "aria-invalid", why.why !== "missing" || null);
}
const sentence = text => text ? text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".") : "";
