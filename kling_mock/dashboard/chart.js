// @ts-check
/** A value over time as a small picture of steps. */

import { h, svg } from "./dom.js";
import { duration } from "./format.js";

const WIDTH = 300;
const HEIGHT = 56;

/** @typedef {{ at: number, value: number }} Step */

/**
 * The path of the steps, each of which lasts until the next one, in a box of WIDTH x HEIGHT. Pure.
 * @param {Step[]} steps in order of time
 * @param {number} end the instant at the right side
 * @param {number} maximum the value at the top
 * @returns {string}
 */
export function stepPath(steps, end, maximum) {
  const [first] = steps;
  if (first === undefined) return "";
  const span = Math.max(end - first.at, 0.001);
  const x = (/** @type {number} */ at) => (((at - first.at) / span) * WIDTH).toFixed(1);
  const y = (/** @type {number} */ value) => (HEIGHT - (value / Math.max(maximum, 1)) * HEIGHT).toFixed(1);
  const parts = [`M0 ${y(first.value)}`];
  for (const { at, value } of steps.slice(1)) parts.push(`H${x(at)}`, `V${y(value)}`);
  return [...parts, `H${WIDTH}`].join("");
}

/**
 * A chart with its title, its maximum and the length of its time.
 * @param {string} title
 * @param {Step[]} steps
 * @param {number} end
 */
export function stepChart(title, steps, end) {
  const maximum = Math.max(0, ...steps.map((step) => step.value));
  const last = steps.at(-1)?.value ?? 0;
  const line = stepPath(steps, end, maximum);
  const picture = svg("svg", {
    class: "chart", viewBox: `0 -1 ${WIDTH} ${HEIGHT + 2}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${title} over time: now ${last}, at most ${maximum}`,
  });
  if (line !== "") {
    picture.append(
      svg("path", { class: "area", d: `${line}V${HEIGHT}H0Z` }),
      svg("path", { class: "step", d: line, "vector-effect": "non-scaling-stroke" }));
  }
  const start = steps[0]?.at ?? end;
  return h("figure", { class: "chart-box" },
    h("figcaption", { class: "sub" }, h("span", {}, title), h("span", {}, `max ${maximum.toLocaleString("en")}`)),
    picture,
    h("div", { class: "sub ends" }, h("span", {}, `${duration(end - start)} ago`), h("span", {}, "now")));
}
