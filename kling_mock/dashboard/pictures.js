// @ts-check
/** Pictures of a task with what is known about each. */

/** @import {App} from "./hub.js" */
/** @import {Child} from "./dom.js" */
/** @import {ImageInfo, Task} from "./models.js" */

import { fill, h, linked } from "./dom.js";
import { json, size } from "./format.js";
import { dialog, picture } from "./widgets.js";

/**
 * A picture that opens larger, with a caption.
 * @param {App} app
 * @param {string} path of the control API
 * @param {string} title
 * @param {...Child} caption
 */
export function pictureCard(app, path, title, ...caption) {
  const image = picture(app.api, path, title);
  const open = h("button", { type: "button", class: "picture-button", "aria-label": `Show ${title} larger` }, image);
  open.addEventListener("click", () => dialog(title, picture(app.api, path, title)));
  return h("figure", { class: "card" }, open, h("figcaption", {}, h("strong", {}, title), h("span", { class: "sub" }, ...caption)));
}

/**
 * A result, with its size and, in its larger picture, the metadata of its PNG.
 * @param {App} app
 * @param {Task} task
 * @param {number} index
 */
export function resultCard(app, task, index) {
  const path = `tasks/${encodeURIComponent(task.id)}/images/${index}`;
  const figures = h("span", {}, "…");
  const metadata = h("details", {}, h("summary", {}, "Metadata"));
  app.api.get(`${path}/info`).then((/** @type {ImageInfo} */ info) => {
    fill(figures, `${info.width} × ${info.height}, ${size(info.size)}`);
    metadata.append(h("pre", { tabindex: 0 }, json(info.metadata)));
  }, () => fill(figures));
  return pictureCard(app, path, `Result ${index + 1}`, figures, linked(task.images[index] ?? ""), metadata);
}
