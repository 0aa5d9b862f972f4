// @ts-check
/** Numbers, instants and durations as text. Pure. */

/**
 * A duration in seconds in at most three figures: "0.4 s", "12 s", "3 min 5 s", "2 h", "4 d".
 * @param {number} seconds
 * @returns {string}
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(whole, 60, "min", "s");
  const minutes = Math.round(whole / 60);
  if (minutes < 1440) return joined(minutes, 60, "h", "min");
  return joined(Math.round(minutes / 60), 24, "d", "h");
}

/**
 * @param {number} amount
 * @param {number} size
 * @param {string} large
 * @param {string} small
 */
function joined(amount, size, large, small) {
  const rest = amount % size;
  const whole = `${Math.floor(amount / size)} ${large}`;
  return rest ? `${whole} ${rest} ${small}` : whole;
}

/**
 * The time of day of an instant, with milliseconds if wanted.
 * @param {number} at in Unix seconds
 * @param {boolean} [precise]
 * @returns {string}
 */
export function time(at, precise = false) {
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return "–";
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()];
  const text = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return precise ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/**
 * Date and time of an instant.
 * @param {number} at in Unix seconds
 * @returns {string}
 */
export function dateTime(at) {
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return "–";
  const parts = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return `${parts.map((part) => String(part).padStart(2, "0")).join("-")} ${time(at, true)}`;
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes;
  let unit = "B";
  for (const each of units) {
    if (value < 999.5) break;
    value /= 1000;
    unit = each;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/**
 * "1 task", "2 tasks".
 * @param {number} count
 * @param {string} noun
 * @returns {string}
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * The first characters of a text on one line. Control characters become visible symbols.
 * @param {string} text
 * @param {number} [length]
 * @returns {string}
 */
export function excerpt(text, length = 160) {
  const short = Array.from(text.slice(0, length * 2)).slice(0, length).join("");
  return visible(short.replace(/\s+/gu, " ")) + (short.length < text.length ? "…" : "");
}

/**
 * A text whose control characters, which would not be visible, are symbols.
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f]/gu, (found) => String.fromCharCode(0x2400 + found.charCodeAt(0)))
    .replace(/\u007f/gu, "\u2421");
}

/**
 * A value of JSON as text for reading.
 * @param {unknown} value
 * @returns {string}
 */
export function json(value) {
  return visible(typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "");
}

/**
 * The value of a text of JSON.
 * @param {string} name of the field, for the error
 * @param {string} text
 * @returns {any}
 */
export function parsed(name, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${name}: must be JSON. ${error instanceof Error ? error.message : ""}`);
  }
}
