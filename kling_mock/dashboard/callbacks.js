// @ts-check
/** The tab of callbacks: those that were due so far, with their attempts. */

/** @import {App} from "./hub.js" */
/** @import {Detail} from "./list_view.js" */
/** @import {CallbackInfo, CallbackPage} from "./models.js" */

import { messageOf } from "./api.js";
import { delayed } from "./delayed.js";
import { facts, fill, h, linked, section, table } from "./dom.js";
import { emptyCallbacks, noMatch } from "./empty.js";
import { counted, dateTime, duration, excerpt, parsed, time, visible } from "./format.js";
import { ListView } from "./list_view.js";
import { PAGE } from "./paged_list.js";
import { actionButton, outputLine, replyChip, statusChip } from "./widgets.js";

const PAUSE = 150;

/**
 * @param {App} app
 * @returns {ListView<CallbackInfo>}
 */
export function callbacksView(app) {
  return new ListView(app, {
    tab: "callbacks",
    noun: "callback",
    topics: ["callback", "task", "clock"],
    filters: [
      { name: "task_id", label: "Task id", placeholder: "Task id" },
      { name: "delivered", label: "Delivery", options: [["", "All"], ["true", "Delivered"], ["false", "Not delivered"]] },
      { name: "account", label: "Account", placeholder: "Account" },
    ],
    fetch: async ({ task_id, delivered, account }, after, signal) => {
      /** @type {CallbackPage} */
      const page = await app.api.get("callbacks", { task_id, delivered, account, after, order: "newest", limit: PAGE }, signal);
      return { items: page.callbacks, next: page.next, total: page.total };
    },
    idOf: (callback) => callback.id,
    row,
    detail: callbackDetail,
    empty: (filtered) => (filtered ? noMatch(app, "callback") : emptyCallbacks(app)),
  });
}

/** @param {CallbackInfo} callback */
function row(callback) {
  return h("div", { class: "callback-row" },
    delivery(callback),
    h("span", { class: "main" }, h("span", { class: "mono" }, excerpt(callback.url)),
      h("span", { class: "sub mono" }, `reports ${callback.status} · task ${callback.task_id}`)),
    h("span", { class: "sub account" }, counted(callback.attempts.length, "attempt")),
    h("span", { class: "countdown" }, time(callback.due, true)));
}

/** @param {CallbackInfo} callback */
function delivery(callback) {
  if (callback.delivered) return h("span", { class: "chip succeed" }, "✓ delivered");
  if (callback.refused !== null) return h("span", { class: "chip other" }, "– not sent");
  return callback.next_attempt === null && callback.attempts.length > 0
    ? h("span", { class: "chip failed" }, "✕ given up")
    : h("span", { class: "chip processing" }, "◐ pending");
}

/**
 * @param {App} app
 * @param {string} id
 * @returns {Detail}
 */
function callbackDetail(app, id) {
  const path = `callbacks/${encodeURIComponent(id)}`;
  const output = outputLine();
  const head = h("div", { class: "detail-head" });
  const body = h("div");
  const text = h("textarea", { rows: 12, class: "mono", "aria-label": "Body to send", spellcheck: "false" });
  /** @param {() => object} make the body of the request */
  const redeliver = async (make) => {
    const attempt = await app.api.send("POST", `${path}/redeliver`, make());
    await load();
    return attempt.error === null ? `The receiver answered with ${attempt.status}` : `Failed: ${attempt.error}`;
  };
  const edit = h("details", {}, h("summary", {}, "Edit and send"), text,
    h("div", { class: "actions" }, actionButton("Send this body", output, () => redeliver(() => ({ body: parsed("Body", text.value) })))));
  const element = h("div", {}, head,
    h("div", { class: "actions" }, actionButton("Redeliver", output, () => redeliver(() => ({})), { class: "primary" })), output, body, edit);

  let filled = false;
  async function load() {
    /** @type {CallbackInfo} */
    const found = await app.api.get(path);
    fill(head, h("h2", {}, delivery(found)));
    if (!filled) text.value = JSON.stringify(found.body, null, 2);
    filled = true;
    fill(body,
      section("Callback", facts([
        ["URL", linked(found.url)],
        ["Reports", statusChip(found.status)],
        ["Task", h("a", { href: `#/tasks/${encodeURIComponent(found.task_id)}`, class: "mono" }, found.task_id)],
        ["Account", found.account],
        ["Due", dateTime(found.due)],
        found.next_attempt === null ? null : ["Next attempt", dateTime(found.next_attempt)],
        found.refused === null ? null : ["Not sent", h("span", { class: "failed-text" }, visible(found.refused))],
      ])),
      section("Attempts", found.attempts.length === 0 ? h("p", { class: "muted" }, "None yet") : table(["No.", "At", "Kind", "Result", "Took"],
        found.attempts.map((attempt) => [String(attempt.number), time(attempt.at, true), attempt.kind,
          attempt.status === null ? h("span", { class: "failed-text" }, visible(attempt.error ?? "no reply")) : replyChip(attempt.status),
          duration(attempt.duration)]))),
      section("Body", h("pre", { tabindex: 0 }, visible(JSON.stringify(found.body, null, 2)))));
  }

  const failed = (/** @type {unknown} */ error) => fill(head, h("p", { class: "problem" }, messageOf(error)));
  const later = delayed(PAUSE, () => load().catch(failed));
  const ends = [
    app.hub.on("callback", (event) => event.id === id && later()),
    app.hub.on("clock", later),
    app.hub.on("reload", later),
  ];
  load().catch(failed);
  return {
    element,
    close: () => {
      later.cancel();
      for (const end of ends) end();
    },
  };
}
