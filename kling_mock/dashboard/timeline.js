// @ts-check
/** The life of a task as a line in time: its statuses, polls and callback attempts. */

/** @import {Task} from "./models.js" */

import { svg } from "./dom.js";
import { duration } from "./format.js";

/** @typedef {{ status: string, from: number, to: number, planned: boolean }} Segment */
/** @typedef {{ kind: "poll" | "delivered" | "undelivered" | "due", at: number, title: string }} Mark */
/** @typedef {{ start: number, end: number, segments: Segment[], marks: Mark[] }} Line */

const TERMINAL = ["succeed", "failed"];

/** @param {Task} task */
export function hasEnded(task) {
  return TERMINAL.includes(task.status);
}

/**
 * The segments and marks of a task at an instant. Pure.
 * @param {Task} task
 * @param {number} now in Unix seconds, of the server
 * @returns {Line}
 */
export function taskLine(task, now) {
  const last = task.history.at(-1);
  const marks = marksOf(task);
  const planned = task.planned.flatMap((change) => change.at ?? []);
  const ended = hasEnded(task) && last ? last.at : Math.max(now, ...planned);
  const past = marks.filter((mark) => mark.kind !== "due").map((mark) => mark.at);
  const end = Math.max(ended, ...past, task.created + 0.001);
  /** @type {Segment[]} */
  const segments = [];
  task.history.forEach((change, index) => {
    if (TERMINAL.includes(change.status)) return;
    const next = task.history[index + 1];
    const to = next ? next.at : Math.max(now, change.at);
    segments.push({ status: change.status, from: change.at, to, planned: false });
  });
  let [status, from] = [task.status, now];
  for (const change of task.planned) {
    if (change.at === null || change.at < from) continue;
    segments.push({ status, from, to: change.at, planned: true });
    [status, from] = [change.status, change.at];
  }
  // An attempt that is due later than the line ends would look like one at its end. `nextAttempt` has its time.
  return { start: task.created, end, segments, marks: marks.filter((mark) => mark.kind !== "due" || mark.at < end) };
}

/**
 * The polls and callback attempts of a task. Pure.
 * @param {Task} task
 * @returns {Mark[]}
 */
function marksOf(task) {
  /** @type {Mark[]} */
  const marks = task.poll_times.map((at) => ({ kind: "poll", at, title: `poll after ${duration(at - task.created)}` }));
  for (const { status, attempt } of task.callbacks?.attempts ?? []) {
    const done = attempt.status !== null && attempt.status >= 200 && attempt.status < 300;
    const result = attempt.error ?? `${attempt.status}`;
    marks.push({ kind: done ? "delivered" : "undelivered", at: attempt.at, title: `callback ${status}: ${result}` });
  }
  const next = task.callbacks?.next;
  if (next) marks.push({ kind: "due", at: next.at, title: `next attempt to deliver ${next.status}` });
  return marks;
}

/**
 * A task's line as a picture as wide as its container. Marks have titles; texts beside it say the same.
 * @param {Task} task
 * @param {number} now
 * @returns {SVGSVGElement}
 */
export function drawLine(task, now) {
  const { start, end, segments, marks } = taskLine(task, now);
  const span = end - start;
  const at = (/** @type {number} */ instant) => `${(Math.max(0, Math.min(1, (instant - start) / span)) * 100).toFixed(2)}%`;
  const picture = svg("svg", { class: "line", height: 16, "aria-hidden": "true", focusable: "false" });
  for (const { status, from, to, planned } of segments) {
    picture.append(
      svg("rect", {
        class: `segment ${status}${planned ? " planned" : ""}`, x: at(from), y: planned ? 7 : 5, height: planned ? 2 : 6, rx: 1,
        width: `${Math.max(0.5, ((Math.min(to, end) - from) / span) * 100).toFixed(2)}%`,
      }, svg("title", {}, `${planned ? "planned: " : ""}${status} for ${duration(to - from)}`)),
    );
  }
  for (const mark of marks) {
    const shape = mark.kind === "poll"
      ? svg("rect", { class: "mark poll", x: at(mark.at), y: 2, width: 1, height: 12 })
      : svg("circle", { class: `mark ${mark.kind}`, cx: at(mark.at), cy: 8, r: 3 });
    shape.append(svg("title", {}, mark.title));
    picture.append(shape);
  }
  const last = task.history.at(-1);
  if (last && hasEnded(task)) {
    picture.append(svg("circle", { class: `end ${task.status}`, cx: at(last.at), cy: 8, r: 4 }, svg("title", {}, task.status)));
  }
  return picture;
}

/**
 * What a task waits for, in a few words.
 * @param {Task} task
 * @param {number} now
 * @returns {string}
 */
export function countdown(task, now) {
  const last = task.history.at(-1);
  if (hasEnded(task)) return last ? `${task.status} after ${duration(last.at - task.created)}` : task.status;
  const [next] = task.planned;
  if (next === undefined || (next.at === null && next.polls === null)) {
    return `${task.status} for ${duration(now - (last?.at ?? task.created))}`;
  }
  if (next.at === null) return `${next.status} at poll ${task.polls + (next.polls ?? 0)}`;
  return `${next.status} in ${duration(Math.max(0, next.at - now))}`;
}

/**
 * The time until the next attempt to deliver a callback, in a few words; empty if there is none.
 * @param {Task} task
 * @param {number} now
 * @returns {string}
 */
export function nextAttempt(task, now) {
  const next = task.callbacks?.next;
  return next ? `callback in ${duration(Math.max(0, next.at - now))}` : "";
}
