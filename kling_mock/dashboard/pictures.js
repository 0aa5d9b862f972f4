// @ts-check
/** Pictures of a task with what is known about each. */

/** @import {App} from "./hub.js" */
/** @import {Child} from "./dom.js" */

import { h } from "./dom.js";
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
