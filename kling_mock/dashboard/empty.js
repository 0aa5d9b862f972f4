// @ts-check
/** What a list shows without items: what to do next. */

/** @import {App} from "./hub.js" */
/** @import {Routes, SettingsInfo} from "./models.js" */

import { fill, h } from "./dom.js";
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
 * A command that creates a task on this server, with the first key that is not a secret.
 * @param {App} app
 * @param {Record<string, string>} [fields] further ones of its body
 */
function createCommand(app, fields = {}) {
  const box = h("div", { class: "command" });
  const show = (/** @type {string} */ path, /** @type {string} */ key) => {
    const body = { subject_image_list: [{ subject_image: ONE }, { subject_image: OTHER }], prompt: "a cat at sea", ...fields };
    const url = new URL(`..${path}`, app.api.base).href;
    fill(box, codeBlock(`curl -s ${url} -H 'Authorization: Bearer ${key}' \\\n  -d '${JSON.stringify(body)}'`));
  };
  Promise.all([app.api.get("routes"), app.api.get("settings")]).then(
    (/** @type {[Routes, SettingsInfo]} */ [{ routes }, { settings }]) => {
      const known = /** @type {string[]} */ (settings["keys"]).filter((key) => /^sk-mock[\w.-]*$/.test(key));
      show(routes[0]?.path ?? "", known[0] ?? (settings["keys"].length === 0 ? "sk-mock" : "YOUR-KEY"));
    },
    () => {},
  );
  return box;
}

/**
 * @param {App} app
 */
export function emptyTasks(app) {
  return h("div", {}, h("h2", {}, "No tasks yet"),
    h("p", {}, "Each create request to this server appears here, with its life in time. Send one with this command:"),
    createCommand(app),
    h("p", {}, "or choose pictures with “New task” above."));
}

/** @param {App} app */
export function emptyCalls(app) {
  return h("div", {}, h("h2", {}, "No calls yet"),
    h("p", {}, "Each request to the imitated service appears here. Send one with this command:"),
    createCommand(app));
}

/** @param {App} app */
export function emptyCallbacks(app) {
  return h("div", {}, h("h2", {}, "No callbacks yet"),
    h("p", {}, "The server posts each change of a task to its ", h("code", {}, "callback_url"), ". Create a task with that field by this command:"),
    createCommand(app, { callback_url: `http://${app.api.base.hostname}:9000/` }),
    h("p", {}, "Receivers on this machine are called by default; ", h("code", {}, "kling-mock serve --callbacks any"), " calls all of them."));
}

/** @param {App} app */
export function emptyAccounts(app) {
  return h("div", {}, h("h2", {}, "No accounts yet"),
    h("p", {}, "Each API key is an account. It appears here with its first request. Send one with this command:"),
    createCommand(app));
}
