// Numbers, times and values as people read them. Times are event time, in UTC.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const two = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const tiny = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const count = value => whole.format(value);
/** At most about six characters. */
export const compact = value => Math.abs(value) < 1e4 ? whole.format(value) : short.format(value);
export const rate = value => value > 0 && value < 9.95 ? value.toFixed(1) : compact(value);
/** "1 row waits", "2 rows wait". */
export const some = (value, one, more) => `${count(value)} ${value === 1 ? one : more}`;
export const percent = share => share === 0 ? "0 %" : share > 0 && share < 0.001 ? "<0.1 %" : (100 * share).toFixed(share < 0.0995 ? 1 : 0) + " %";

/** Bytes. */
export function size(bytes) {
  let power = 0;
  while (Math.abs(bytes) >= 1023.5 && power < 4) { bytes /= 1024; power++ }
  return (power && bytes < 99.95 ? bytes.toFixed(1) : whole.format(bytes)) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][power];
}

/** A length of time. */
export function span(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
  const size = Math.abs(ms);
  if (size < 10) return (Number.isInteger(ms) ? ms : ms.toFixed(1)) + " ms";
  if (size < 1000) return Math.round(ms) + " ms";
  if (size < 99_950) return (ms / 1000).toFixed(1) + " s";
  if (size < 6e6) return Math.round(ms / 6e4) + " min";
  if (size < 1.728e8) return (ms / 3.6e6).toFixed(1) + " h";
  return compact(ms / 8.64e7) + " days";
}

/** RFC 3339 for a table. */
export const moment = text => text.replace("T", " ").replace(/(\.000)?Z$/, "");
/** The time of day of ms since 1970. */
export const clock = ms => new Date(ms).toISOString().slice(11, 19);
export const day = ms => new Date(ms).toISOString().slice(0, 10);

/** A watermark as of an answer. */
export function watermark(asOf) {
  const text = asOf?.watermark;
  if (!text || text === "-infinity") return "–";
  return text === "infinity" ? "end" : text.slice(11, 19);
}

export const isNumber = type => /^(TINYINT|SMALLINT|INT|BIGINT|FLOAT|DOUBLE|DECIMAL|U)/.test(type);
export const isReal = type => /^(FLOAT|DOUBLE|DECIMAL)/.test(type);

/** Beyond these a number is told by its power of ten: nobody counts zeros. */
const far = value => value !== 0 && (Math.abs(value) >= 1e15 || Math.abs(value) < 1e-4);
const powered = value => { const text = String(value); return (/e/.test(text) ? text : value.toExponential()).replace("e+", "e") };
/** How many digits tell the multiples of a step apart. */
const digitsOf = step => { let digits = 0; while (digits < 8 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++; return digits };
/** With a `step`, one of several numbers that are so far apart: all have the same digits behind the point. */
export function number(value, step) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "∞");
  if (far(value)) return tiny.format(Number(value.toExponential(2).split("e")[0])) + "e" + Number(value.toExponential(2).split("e")[1]);
  if (step && value !== 0) { const digits = digitsOf(step); return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }) }
  if (Number.isInteger(value)) return whole.format(value);
  return Math.abs(value) < 0.01 ? tiny.format(value) : two.format(value);
}

// Text that is read from the right stands alone, so that what is beside it stays where it is.
const RIGHT = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]|[\ud802-\ud803\ud83a-\ud83b]/;
export const isolated = text => RIGHT.test(text) ? "\u2068" + text + "\u2069" : text;

/** A cell of a table. Nothing (NULL) and an empty text are told apart by `blank`. */
export function cell(value, column) {
  if (value === null || value === undefined) return "NULL";
  if (value === "") return "“”";
  // What names something is told digit by digit.
  const plain = (column.names || column.key) && isNumber(column.type) && !/^(FLOAT|DOUBLE)/.test(column.type);
  if (plain && !isReal(column.type)) return String(value);
  if (typeof value === "number") {
    if (far(value)) return powered(value);
    if (!isReal(column.type)) return whole.format(value);
    const scale = /^DECIMAL\(\d+, ?(\d+)\)$/.exec(column.type)?.[1];
    if (scale !== undefined) return value.toLocaleString("en-US", { minimumFractionDigits: Number(scale), maximumFractionDigits: Number(scale), useGrouping: !plain });
    const text = number(value);
    return text.includes(".") ? text : two.format(value);
  }
  if (typeof value === "object") return JSON.stringify(value);
  if (column.time) return moment(value);
  // A number that the page's own would not hold comes as text, and is shown digit by digit.
  return isNumber(column.type) && /^-?\d+$/.test(value) ? BigInt(value).toLocaleString("en-US") : String(value);
}
export const blank = value => value === null || value === undefined || value === "";
