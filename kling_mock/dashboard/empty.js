// @ts-check
/** What a list shows without items: what to do next. */

/** @import {App} from "./hub.js" */

import { h } from "./dom.js";
import { codeBlock } from "./widgets.js";

const ONE = "https://example.com/cat.png";
const OTHER = "https://example.com/boat.png";

/**
 * @param {App} app
 * @param {string} noun
 */
export function noMatch(app, noun) {
  return h("div", {}, h("p", {}, `No ${noun} fits these filters.`),
    h("button", { type: "button", onclick: () => app.address.go({ filters: {} }, { replace: true }) }, "Clear the filters"));
}

/**
 * A command that creates a task on this server.
 * @param {App} app
 */
export function createCommand(app) {
  const url = new URL("../kling/v1/images/generations", app.api.base).href;
  const body = {
    subject_image_list: [{ subject_image: ONE }, { subject_image: OTHER }],
    prompt: "a cat at sea",
  };
  return `curl -s ${url} -H 'Authorization: Bearer sk-mock' \\\n  -d '${JSON.stringify(body)}'`;
}

/**
 * @param {App} app
 */
export function emptyTasks(app) {
  return h("div", {}, h("h2", {}, "No tasks yet"),
    h("p", {}, "Each create request to this server appears here, with its life in time. Send one with this command:"),
    codeBlock(createCommand(app)),
    h("p", {}, "or choose pictures with “New task” above."));
}

/** @param {App} app */
export function emptyCalls(app) {
  return h("div", {}, h("h2", {}, "No calls yet"),
    h("p", {}, "Each request to the imitated service appears here. Send one with this command:"),
    codeBlock(createCommand(app)));
}
