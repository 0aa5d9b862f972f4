// @ts-check
/** The form that creates a task with a request to the imitated service, from dropped files. */

/** @import {App} from "./hub.js" */
/** @import {Accounts, RequestField, RouteInfo} from "./models.js" */

import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";
import { json, parsed } from "./format.js";
import { PictureInputs } from "./picture_inputs.js";
import { codeBlock, dialog, outputLine, run } from "./widgets.js";

const KEY = "kling-mock-key";
const DEFAULT_KEY = "sk-mock";

/** @param {App} app */
export async function createForm(app) {
  const output = outputLine();
  const reply = h("div");
  const content = h("form", { class: "form" }, "Loading…");
  const box = dialog("New task", content);
  /** @type {RouteInfo[]} */
  let routes;
  /** @type {Accounts} */
  let accounts;
  try {
    [{ routes }, accounts] = await Promise.all([app.api.get("routes"), app.api.get("accounts")]);
  } catch (error) {
    fill(content, h("p", { class: "problem" }, messageOf(error)));
    return;
  }
  const [first] = routes;
  if (first === undefined) {
    fill(content, h("p", { class: "problem" }, "This server imitates no gateway."));
    return;
  }
  let route = first;
  const pictures = new PictureInputs();
  const fields = h("div", { class: "fields" });
  /** @type {Map<string, HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement>} */
  let inputs = new Map();

  /** @param {RouteInfo} chosen */
  function choose(chosen) {
    route = chosen;
    inputs = new Map();
    pictures.setFields(chosen.fields);
    const others = chosen.fields.filter((field) => !field.kind.startsWith("picture"));
    others.sort((a, b) => Number(b.name === "prompt") - Number(a.name === "prompt"));
    fill(fields, ...others.map((field) => {
      const input = control(field);
      inputs.set(field.name, input);
      return h("label", { class: field.name === "prompt" ? "wide" : "" }, h("span", {}, field.name), input,
        field.name === "prompt" ? null : h("span", { class: "hint" }, field.doc));
    }));
  }

  const names = h("datalist", { id: "known-keys" }, ...accounts.accounts.map(({ name }) => h("option", { value: name })));
  const key = h("input", { type: "text", list: "known-keys", value: sessionStorage.getItem(KEY) ?? DEFAULT_KEY, required: true, spellcheck: "false", autocomplete: "off" });
  const select = h("select", {
    onchange: () => choose(/** @type {RouteInfo} */ (routes[select.selectedIndex])),
  }, ...routes.map((each) => h("option", {}, `${each.gateway}: ${each.title} (${each.path})`)));
  const submit = h("button", { type: "submit", class: "primary" }, "Create");
  fill(content,
    h("div", { class: "fields" }, h("label", { class: "wide" }, h("span", {}, "Route"), select), h("label", {}, h("span", {}, "API key"), key)),
    names, pictures.element, fields, h("div", { class: "actions" }, submit), output, reply);
  content.addEventListener("submit", (event) => {
    event.preventDefault();
    void run(submit, output, async () => {
      fill(reply);
      sessionStorage.setItem(KEY, key.value);
      const body = { ...(await pictures.values()), ...valuesOf(route.fields, inputs) };
      const answer = await app.api.create(route.path, key.value, body);
      const id = answer.body?.data?.task_id;
      if (answer.status === 200 && typeof id === "string") {
        box.close();
        app.address.go({ tab: "tasks", id, filters: {} });
        return;
      }
      const rule = answer.headers.get("x-kling-mock-rule");
      fill(reply, codeBlock(json(answer.body)), rule && h("p", { class: "mono" }, rule));
      throw new Error(`The request was refused with ${answer.status}`);
    });
  });
  choose(first);
  pictures.focus();
}

/**
 * The control of a field.
 * @param {RequestField} field
 */
function control(field) {
  switch (field.kind) {
    case "choice":
      return h("select", {}, ...field.options.map((option) => h("option", { value: option, selected: option === field.default }, option)));
    case "integer":
    case "number":
      return h("input", {
        type: "number", step: field.kind === "integer" ? 1 : "any", placeholder: field.default ?? "", min: field.minimum, max: field.maximum,
      });
    case "flag":
      return h("select", {}, h("option", { value: "" }, "default"), h("option", { value: "true" }, "true"), h("option", { value: "false" }, "false"));
    case "json":
      return h("input", { type: "text", placeholder: "JSON" });
    default:
      return field.name === "prompt" || (field.maximum ?? 0) > 500 ? h("textarea", { rows: 3, dir: "auto" }) : h("input", { type: "text" });
  }
}

/**
 * The values of the fields that are filled in.
 * @param {RequestField[]} fields
 * @param {Map<string, { value: string }>} inputs
 */
function valuesOf(fields, inputs) {
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const field of fields) {
    const value = inputs.get(field.name)?.value ?? "";
    if (value === "") continue;
    if (field.kind === "text" || field.kind === "choice") body[field.name] = value;
    else body[field.name] = parsed(field.name, value);
  }
  return body;
}
