// Elements: made, found, and changed only where they differ from what is there.

export const at = id => document.getElementById(id);

/** An element with attributes (`class`, `on*` functions, the rest as they are) and children (elements or text). */
export function make(tag, attributes = {}, ...children) {
  const element = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}
const SVG = new Set(["svg", "g", "path", "rect", "line", "circle", "text", "title", "polyline", "defs", "marker"]);

/** Sets text; touches the page only if it changes. */
export function set(element, text) {
  if (element.shown !== text) { element.shown = text; element.textContent = text }
}

/** Sets an attribute; touches the page only if it changes. */
export function mark(element, name, value) {
  // Of aria's states "false" is said, not left out.
  const said = typeof value === "boolean" && name.startsWith("aria-");
  const text = said ? String(value) : value === null || value === undefined || value === false ? null : value === true ? "" : String(value);
  if (element.getAttribute(name) === text) return;
  if (text === null) element.removeAttribute(name); else element.setAttribute(name, text);
}

/** Makes the children of `parent` those of `items`, in order, keeping what is there by key. */
export function list(parent, items, keyOf, create, update) {
  const held = parent.held ??= new Map(), keep = new Set();
  for (const item of items) keep.add(keyOf(item));
  for (const [key, element] of held) if (!keep.has(key)) { element.remove(); held.delete(key) }
  let place = parent.firstElementChild;
  const busy = document.activeElement;
  for (const item of items) {
    const key = keyOf(item);
    let element = held.get(key);
    if (!element) held.set(key, element = create(item));
    if (element !== place) parent.insertBefore(element, place); else place = place.nextElementSibling;
    update?.(element, item);
  }
  // What is moved loses the keyboard; who uses it does not.
  if (busy !== document.activeElement && parent.contains(busy)) busy.focus({ preventScroll: true });
}

/** Acts when an element gets another width. */
export function resized(element, act) {
  let width = null;
  new ResizeObserver(() => { const now = element.clientWidth; if (now > 0 && now !== width) { if (width !== null) act(); width = now } }).observe(element);
}

/** Copies text, and says so on the button that asked. */
export async function copy(button, text) {
  const label = button.label ??= button.textContent;
  try { await navigator.clipboard.writeText(text) } catch {
    const area = make("textarea", { class: "unseen", readonly: true }); area.value = text;
    document.body.append(area); area.select(); document.execCommand("copy"); area.remove(); button.focus();
  }
  button.textContent = "Copied"; say("Copied");
  clearTimeout(button.back); button.back = setTimeout(() => { button.textContent = label }, 1500);
}

/** Tells who listens instead of looking. */
export const say = text => { at("said").textContent = text };

/** The text of a colour variable of the style sheet. */
export const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
/** As many as there are in the style sheet, over and over. */
export const hue = index => colour("hue-" + (index % 8 + 1));
