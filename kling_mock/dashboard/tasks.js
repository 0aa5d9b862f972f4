// @ts-check
/** The tab of tasks: a list, newest first, with the line of each task in time. */

/** @import {App} from "./hub.js" */
/** @import {Task, TaskPage} from "./models.js" */

import { createForm } from "./create_form.js";
import { h, setText } from "./dom.js";
import { emptyTasks, noMatch } from "./empty.js";
import { counted, excerpt, time } from "./format.js";
import { ListView } from "./list_view.js";
import { PAGE } from "./paged_list.js";
import { taskDetail } from "./task.js";
import { countdown, drawLine, hasEnded, nextAttempt } from "./timeline.js";
import { statusChip } from "./widgets.js";

/**
 * @param {App} app
 * @returns {ListView<Task>}
 */
export function tasksView(app) {
  const create = h("button", { class: "primary", type: "button", onclick: () => createForm(app) }, "New task");
  return new ListView(app, {
    tab: "tasks",
    noun: "task",
    topics: ["task", "call", "callback", "clock"],
    filters: [
      { name: "text", label: "Search tasks", placeholder: "Search id, prompt, failure, account" },
      { name: "account", label: "Account", placeholder: "Account" },
      {
        name: "status", label: "Status",
        options: [["", "Any status"], ["submitted", "Submitted"], ["processing", "Processing"], ["succeed", "Succeeded"], ["failed", "Failed"]],
      },
    ],
    tools: [create],
    fetch: async ({ text, status, account }, after, signal) => {
      /** @type {TaskPage} */
      const page = await app.api.get("tasks", { text, status, account, after, order: "newest", limit: PAGE }, signal);
      return { items: page.tasks, next: page.next, total: page.total };
    },
    idOf: (task) => task.id,
    itemOf: (topic, event) => (topic === "task" ? event.task : null),
    row: (task) => row(app, task),
    tick: (element, task) => tick(app, element, task),
    detail: taskDetail,
    empty: (filtered) => (filtered ? noMatch(app, "task") : emptyTasks(app)),
  });
}

/**
 * @param {App} app
 * @param {Task} task
 */
function row(app, task) {
  const now = app.clock.now();
  const prompt = String(task.request.values["prompt"] ?? "");
  return h(
    "div",
    { class: "task-row" },
    statusChip(task.status),
    h("span", { class: "main" },
      prompt ? h("span", { class: "prompt", dir: "auto" }, excerpt(prompt)) : h("span", { class: "muted" }, "without prompt"),
      h("span", { class: "sub mono" }, `${time(task.created)} · ${task.account} · ${task.external_task_id ? excerpt(task.external_task_id, 60) : task.id}`)),
    h("span", { class: "line-box" }, drawLine(task, now)),
    h("span", { class: "countdown" }, h("span", {}, countdown(task, now)), h("span", { class: "sub" }, pollsAndAttempt(task, now))),
  );
}

/**
 * The line of a task with a timed pace has no marks of its polls, since the server keeps only their number.
 * @param {Task} task
 * @param {number} now
 */
function pollsAndAttempt(task, now) {
  return [task.polls > 0 && counted(task.polls, "poll"), nextAttempt(task, now)].filter(Boolean).join(" · ");
}

/**
 * Updates the line and the countdowns of a row.
 * @param {App} app
 * @param {HTMLElement} element
 * @param {Task} task
 */
function tick(app, element, task) {
  if (app.clock.frozen || (hasEnded(task) && !task.callbacks?.next)) return;
  const now = app.clock.now();
  if (!hasEnded(task)) element.querySelector(".line")?.replaceWith(drawLine(task, now));
  const [status, attempt] = element.querySelectorAll(".countdown > span");
  if (status) setText(status, countdown(task, now));
  if (attempt) setText(attempt, pollsAndAttempt(task, now));
}
