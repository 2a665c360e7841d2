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
export const percent = share => share > 0 && share < 0.001 ? "<0.1 %" : (100 * share).toFixed(share < 0.0995 ? 1 : 0) + " %";

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
const isReal = type => /^(FLOAT|DOUBLE|DECIMAL)/.test(type);
export const isTime = type => type.startsWith("TIMESTAMP");

export function number(value) {
  if (Number.isInteger(value)) return whole.format(value);
  return value !== 0 && Math.abs(value) < 0.01 ? tiny.format(value) : two.format(value);
}

/** A cell of a table. */
export function cell(value, column) {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "number") return isReal(column.type) ? number(value).includes(".") ? number(value) : two.format(value) : whole.format(value);
  // A number that the page's own would not hold comes as text, and is shown digit by digit.
  if (isNumber(column.type)) return /^-?\d+$/.test(value) ? whole.format(BigInt(value)) : value;
  if (typeof value === "object") return JSON.stringify(value);
  return column.time ? moment(value) : String(value);
}
