// The part of the address behind '#': a section, and what of it. Anything may stand there; what cannot be read is told, not thrown.

/** `{ name, rest, more }`: the section, what is behind the first '/', in pieces, each decoded. */
export function read(hash) {
  const [name, ...rest] = hash.replace(/^#/, "").split("/").map(decoded);
  return { name, rest: rest.filter((piece, at) => piece !== "" || at < rest.length - 1) };
}

/** A text with `%xx` read, or as it stands where that cannot be. */
export function decoded(text) { try { return decodeURIComponent(text) } catch { return text } }

/** Names that were given before, or that people try, and where they lead. */
export const ALSO = new Map([["", "board"], ["wall", "board"], ["flow", "dataflow"], ["graph", "dataflow"], ["view", "views"], ["alert", "alerts"], ["table", "tables"], ["live", "health"], ["engine", "health"]]);
