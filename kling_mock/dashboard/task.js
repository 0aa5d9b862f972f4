// @ts-check
/** The detail of a task: its line in time, inputs and results side by side, and the actions on it. */

/** @import {App} from "./hub.js" */
/** @import {Detail} from "./list_view.js" */
/** @import {Task, CallPage} from "./models.js" */

import { ApiError, messageOf } from "./api.js";
import { delayed } from "./delayed.js";
import { facts, fill, h, linked, section, table } from "./dom.js";
import { dateTime, duration, excerpt, json, parsed, size, time, visible } from "./format.js";
import { pictureCard, resultCard } from "./pictures.js";
import { storyButtons } from "./story.js";
import { countdown, drawLine, hasEnded, nextAttempt } from "./timeline.js";
import { actionButton, copyButton, outputLine, replyChip, showError, statusChip } from "./widgets.js";

// Events come in groups; the task is read once for each.
const PAUSE = 150;
const CALLS = 50;

/**
 * @param {App} app
 * @param {string} id
 * @returns {Detail}
 */
export function taskDetail(app, id) {
  const path = `tasks/${encodeURIComponent(id)}`;
  /** @type {Task | null} */
  let task = null;
  /** @type {number[]} */
  let polls = [];
  const output = outputLine();
  const head = h("div", { class: "detail-head" });
  const line = h("div", { class: "big-line" });
  const actions = taskActions(app, path, output, (changed) => show(changed));
  const body = h("div");
  const pictures = h("div");
  const calls = h("div");
  const story = storyButtons(app, path, id, output);
  const element = h("div", {}, head, line, actions, output, pictures, body, calls, story);
  let shown = "";

  /** @param {Task} found */
  function show(found) {
    task = found;
    fill(head, h("h2", { tabindex: -1 }, statusChip(found.status), " ", h("span", { class: "mono" }, found.id)), copyButton(found.id, "Copy id"));
    actions.hidden = hasEnded(found);
    fill(body, ...sections(found));
    const key = JSON.stringify([found.images, found.request.pictures]);
    if (key !== shown) {
      shown = key;
      fill(pictures, pictureSection(app, found));
    }
    drawNow();
  }

  function drawNow() {
    if (task === null) return;
    const now = app.clock.now();
    fill(line, drawLine({ ...task, poll_times: polls }, now), h("p", { class: "countdown" }, [countdown(task, now), nextAttempt(task, now)].filter(Boolean).join(" · ")));
  }

  async function load() {
    try {
      show(await app.api.get(path));
      /** @type {CallPage} */
      const page = await app.api.get("calls", { task_id: id, order: "newest", limit: CALLS });
      polls = page.calls.filter((call) => call.method === "GET" && call.status === 200).map((call) => call.at);
      fill(calls, callSection(page, id));
      drawNow();
    } catch (error) {
      // Without a reply, or with a fault of the server, the task as it was read last stays.
      if (task === null || (error instanceof ApiError && error.status === 404)) fill(element, h("p", { class: "problem" }, messageOf(error)));
      else showError(output, error);
    }
  }

  const later = delayed(PAUSE, load);
  const concerns = (/** @type {any} */ event) => event.task_id === id && later();
  const ends = [
    app.hub.on("task", concerns),
    app.hub.on("call", concerns),
    app.hub.on("callback", concerns),
    app.hub.on("clock", later),
    app.hub.on("reload", later),
    app.hub.on("tick", () => task !== null && (!hasEnded(task) || task.callbacks?.next) && !app.clock.frozen && drawNow()),
  ];
  void load();
  return {
    element,
    close: () => {
      later.cancel();
      for (const end of ends) end();
    },
  };
}

/**
 * @param {App} app
 * @param {string} path
 * @param {HTMLElement} output
 * @param {(task: Task) => void} changed
 */
function taskActions(app, path, output, changed) {
  const message = h("input", { type: "text", "aria-label": "Message of the failure", value: "Image pixel is invalid", class: "grow" });
  const fault = h("input", { type: "text", "aria-label": "Fault of the task", value: '{"sticks": true}', class: "grow mono" });
  /**
   * @param {string} verb
   * @param {object} [body]
   */
  const end = async (verb, body) => {
    /** @type {Task} */
    const task = await app.api.send("POST", `${path}/${verb}`, body);
    changed(task);
    return `The task is now ${task.status}`;
  };
  return h("div", { class: "actions" },
    actionButton("Release", output, () => end("release"), { title: "End the task now, with its planned outcome" }),
    actionButton("Succeed", output, () => end("succeed"), { title: "End the task now, successfully" }),
    h("span", { class: "group" }, message,
      actionButton("Fail", output, () => end("fail", { message: message.value }), { title: "End the task now, failed with this message" })),
    h("span", { class: "group" }, fault,
      actionButton("Add fault", output, async () => {
        changed(await app.api.send("POST", `${path}/faults`, parsed("Fault", fault.value)));
        return "The task has this fault from now on";
      }, { title: "Give the task a fault: its name, with its argument or true" })));
}

/** @param {Task} task */
function sections(task) {
  const { prompt, ...values } = task.request.values;
  return [
    prompt ? section("Prompt", h("p", { class: "prompt-text", dir: "auto" }, visible(String(prompt)))) : null,
    section("Task", facts([
      ["Operation", task.title],
      ["Account", task.account],
      task.external_task_id === null ? null : ["External id", h("span", { class: "mono" }, visible(task.external_task_id))],
      task.failure === null ? null : ["Failure", h("span", { class: "failed-text" }, visible(task.failure))],
      ["Created", dateTime(task.created)],
      ["Units", String(task.units)],
      ["Polls", String(task.polls)],
      ...Object.entries(values).filter(([name]) => name !== "external_task_id" && name !== "callback_url")
        .map(([name, value]) => /** @type {[string, string]} */ ([name, json(value)])),
    ])),
    section("History", table(["Status", "At", "After"], [
      ...task.history.map((change) => [statusChip(change.status), time(change.at, true), duration(change.at - task.created)]),
      ...task.planned.map((change) => [
        h("span", { class: "muted" }, `planned: ${change.status}`),
        change.at === null ? (change.polls === null ? "when it is released" : `poll ${task.polls + change.polls}`) : time(change.at, true),
        change.at === null ? "" : duration(change.at - task.created),
      ]),
    ])),
    task.callbacks && section("Callbacks", h("p", {}, linked(task.callbacks.url)),
      task.callbacks.refused && h("p", { class: "problem" }, visible(task.callbacks.refused)),
      task.callbacks.attempts.length > 0 && table(["Reports", "At", "Result"], task.callbacks.attempts.map(({ id, status, attempt }) => [
        h("a", { href: `#/callbacks/${encodeURIComponent(id)}` }, status), time(attempt.at, true),
        attempt.error === null ? replyChip(attempt.status ?? 0) : visible(attempt.error)]))),
    task.faults.length > 0 && section("Faults", table(["Fault", "Value", "Replies"], task.faults.map((fault) =>
      [fault.kind, fault.value === null ? "" : json(fault.value), String(fault.shown)]))),
  ];
}

/**
 * @param {App} app
 * @param {Task} task
 */
function pictureSection(app, task) {
  const inputs = task.request.pictures.map((input, index) =>
    pictureCard(app, `tasks/${task.id}/inputs/${index}`, input.field, input.url === null ? size(input.size) : linked(input.url)));
  const results = task.images.map((_, index) => resultCard(app, task, index));
  return h("div", { class: "pair" },
    section("Inputs", h("div", { class: "cards" }, ...(inputs.length ? inputs : ["none"]))),
    section("Results", h("div", { class: "cards" },
      ...(results.length ? results : [h("p", { class: "muted" }, task.failure === null ? "None yet" : "The task failed")]))));
}

/**
 * @param {CallPage} page
 * @param {string} id
 */
function callSection(page, id) {
  const rows = page.calls.map((call) => [
    h("a", { href: `#/calls/${encodeURIComponent(call.id)}`, title: excerpt(call.path) }, call.method),
    time(call.at, true), replyChip(call.status), call.shown ?? ""]);
  const more = page.next !== null && h("p", {}, h("a", { href: `#/calls?task_id=${encodeURIComponent(id)}` }, "All calls of this task"));
  return section("Calls", table(["Request", "At", "Reply", "Status shown"], rows), more);
}
