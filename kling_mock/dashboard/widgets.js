// @ts-check
/** Small controls that several views use. */

/** @import {Api} from "./api.js" */
/** @import {Child} from "./dom.js" */

import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";
import { visible } from "./format.js";

/** @type {Record<string, string>} */
const SIGNS = { submitted: "○", processing: "◐", succeed: "✓", failed: "✕" };

/**
 * The status of a task: a sign and a word.
 * @param {string} status
 */
export function statusChip(status) {
  return h("span", { class: `chip ${SIGNS[status] ? status : "other"}` }, h("span", { "aria-hidden": "true" }, SIGNS[status] ?? "·"), ` ${status}`);
}

/**
 * The status of a reply.
 * @param {number} status 0 without a reply
 */
export function replyChip(status) {
  const kind = status === 0 ? "failed" : status < 400 ? "succeed" : status < 500 ? "processing" : "failed";
  return h("span", { class: `chip ${kind}` }, status === 0 ? "no reply" : String(status));
}

/**
 * A button that runs an action and shows its result, or its error, in `output`.
 * @param {string} label
 * @param {HTMLElement} output
 * @param {() => Promise<string | void>} action
 * @param {Record<string, string>} [attributes]
 */
export function actionButton(label, output, action, attributes = {}) {
  const button = h("button", { type: "button", ...attributes }, label);
  button.addEventListener("click", () => void run(button, output, action));
  return button;
}

/**
 * Runs an action with its button disabled; shows the text that it returns, or its error.
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} output
 * @param {() => Promise<string | void>} action
 */
export async function run(button, output, action) {
  button.disabled = true;
  await show(output, action);
  button.disabled = false;
}

/**
 * Runs an action, and shows the text that it returns, or its error.
 * @param {HTMLElement} output
 * @param {() => Promise<string | void>} action
 */
export async function show(output, action) {
  try {
    const text = await action();
    output.className = "output";
    output.textContent = text ?? "";
  } catch (error) {
    showError(output, error);
  }
}

/**
 * @param {HTMLElement} output
 * @param {unknown} error
 */
export function showError(output, error) {
  output.className = "output problem";
  output.textContent = visible(messageOf(error));
}

/** The place of results of actions, which a screen reader reads. */
export function outputLine() {
  return h("p", { class: "output", role: "status" });
}

/**
 * A button that copies a text. An error is shown in `output`, or in the button itself.
 * @param {string | (() => Promise<string>)} source
 * @param {string} [label]
 * @param {HTMLElement | null} [output]
 */
export function copyButton(source, label = "Copy", output = null) {
  const button = h("button", { type: "button", class: "copy" }, label);
  const relabel = (/** @type {string} */ text) => {
    button.textContent = text;
    setTimeout(() => (button.textContent = label), 1500);
  };
  button.addEventListener("click", async () => {
    try {
      await copy(typeof source === "string" ? source : await source());
      relabel("Copied");
      if (output) output.textContent = "";
    } catch (error) {
      relabel("Not copied");
      if (output) showError(output, error);
    }
  });
  return button;
}

/**
 * Copies a text. Pages of other machines without HTTPS have no clipboard, only its command.
 * @param {string} text
 */
async function copy(text) {
  if (isSecureContext) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "unseen", readonly: true });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("this browser copies only from pages with HTTPS");
}

/**
 * A text with a button that copies it.
 * @param {string} text
 */
export function codeBlock(text) {
  return h("div", { class: "code" }, h("pre", { tabindex: 0 }, visible(text)), copyButton(text));
}

/**
 * A button that saves a text as a file.
 * @param {string} label
 * @param {string} name
 * @param {() => Promise<string>} source
 * @param {HTMLElement} output
 */
export function downloadButton(label, name, source, output) {
  return actionButton(label, output, async () => {
    const url = URL.createObjectURL(new Blob([await source()], { type: "text/plain" }));
    const link = h("a", { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    return `saved as ${name}`;
  });
}

/**
 * A picture of the control API. It is loaded once, and its place has the same size before.
 * @param {Api} api
 * @param {string} path
 * @param {string} alt
 */
export function picture(api, path, alt) {
  const image = h("img", { alt, class: "picture", loading: "lazy" });
  const box = h("span", { class: "picture-box" }, image);
  api.blob(path).then((blob) => {
    const url = URL.createObjectURL(blob);
    image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
  }, (error) => fill(box, h("span", { class: "missing" }, messageOf(error))));
  return box;
}

/**
 * A dialog with a title; it removes itself when it is closed.
 * @param {string} title
 * @param {...Child} children
 */
export function dialog(title, ...children) {
  const element = h("dialog", { "aria-label": title },
    h("form", { method: "dialog", class: "dialog-head" }, h("h2", {}, title),
      h("button", { class: "close", "aria-label": "Close", title: "Close (Esc)", formnovalidate: true }, "✕")),
    ...children);
  element.addEventListener("close", () => element.remove());
  element.querySelector(".dialog-head")?.addEventListener("submit", (event) => {
    event.preventDefault();
    element.close();
  });
  document.body.append(element);
  element.showModal();
  return element;
}
