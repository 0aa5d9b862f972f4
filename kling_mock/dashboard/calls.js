// @ts-check
/** The tab of calls: the requests to the imitated service, newest first. */

/** @import {App} from "./hub.js" */
/** @import {Call, CallPage} from "./models.js" */

import { callDetail } from "./call.js";
import { h } from "./dom.js";
import { emptyCalls, noMatch } from "./empty.js";
import { excerpt, time } from "./format.js";
import { ListView } from "./list_view.js";
import { PAGE } from "./paged_list.js";
import { replyChip } from "./widgets.js";

/**
 * @param {App} app
 * @returns {ListView<Call>}
 */
export function callsView(app) {
  return new ListView(app, {
    tab: "calls",
    noun: "call",
    topics: ["call"],
    filters: [
      { name: "text", label: "Search calls", placeholder: "Search path, prompt, message, ids, headers" },
      { name: "method", label: "Method", options: [["", "Any method"], ["POST", "POST"], ["GET", "GET"], ["HEAD", "HEAD"]] },
      {
        name: "status", label: "Status of the reply",
        options: [["", "Any reply"], ["2xx", "2xx"], ["4xx", "4xx"], ["5xx", "5xx"], ["0", "No reply"]],
      },
      { name: "account", label: "Account", placeholder: "Account" },
    ],
    fetch: async ({ text, method, status, account, task_id, rule }, after, signal) => {
      const parameters = { text, method, status, account, task_id, rule, after, order: "newest", limit: PAGE };
      /** @type {CallPage} */
      const page = await app.api.get("calls", parameters, signal);
      return { items: page.calls, next: page.next, total: page.total };
    },
    idOf: (call) => call.id,
    row,
    detail: callDetail,
    empty: (filtered) => (filtered ? noMatch(app, "call") : emptyCalls(app)),
  });
}

/** @param {Call} call */
function row(call) {
  const prompt = call.request?.values["prompt"];
  const text = call.message ?? (typeof prompt === "string" && prompt !== "" ? prompt : null);
  return h(
    "div",
    { class: "call-row" },
    replyChip(call.status),
    h("span", { class: "main" },
      h("span", { class: "mono" }, `${call.method} ${excerpt(call.path)}`),
      h("span", { class: "sub", dir: "auto" }, text === null ? (call.shown ? `shows ${call.shown}` : "") : excerpt(text))),
    h("span", { class: "sub account" }, call.account ?? "no account"),
    h("span", { class: "countdown" }, time(call.at, true)),
  );
}
