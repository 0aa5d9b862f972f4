// @ts-check
/** The story of a task, or of a refused create, as a pytest test and as a scenario file: copy or download. */

/** @import {App} from "./hub.js" */

import { h, section } from "./dom.js";
import { copyButton, downloadButton } from "./widgets.js";

/**
 * @param {App} app
 * @param {string} path of the task or call
 * @param {string} id
 * @param {HTMLElement} output
 */
export function storyButtons(app, path, id, output) {
  const text = (/** @type {string} */ kind) => app.api.text(`${path}/story`, { as: kind });
  return section("Story",
    h("p", { class: "muted" }, "What happened, as code that runs as pasted."),
    h("div", { class: "actions" },
      copyButton(() => text("pytest"), "Copy as pytest test", output),
      downloadButton("Download test", `test_task_${id}.py`, () => text("pytest"), output),
      copyButton(() => text("scenario"), "Copy as scenario", output),
      downloadButton("Download scenario", `task_${id}.toml`, () => text("scenario"), output)));
}
