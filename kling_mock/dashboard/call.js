// @ts-check
/** The detail of a call: request and reply, the rule of a refusal, its code, and sending it again. */

/** @import {App} from "./hub.js" */
/** @import {Detail} from "./list_view.js" */
/** @import {Call, RuleInfo, RuleSwitch, SentCall} from "./models.js" */

import { messageOf } from "./api.js";
import { facts, fill, h, linked, section, table } from "./dom.js";
import { dateTime, json, parsed, size, visible } from "./format.js";
import { storyButtons } from "./story.js";
import { actionButton, copyButton, outputLine, replyChip, statusChip } from "./widgets.js";

/**
 * @param {App} app
 * @param {string} id
 * @returns {Detail}
 */
export function callDetail(app, id) {
  const path = `calls/${encodeURIComponent(id)}`;
  const element = h("div", {}, h("p", { class: "muted" }, "Loading…"));
  app.api.get(path).then((/** @type {Call} */ call) => {
    fill(element,
      h("div", { class: "detail-head" }, h("h2", {}, replyChip(call.status), ` ${call.method} `, h("span", { class: "mono" }, visible(call.path)))),
      sending(app, path, call), ruleSection(app, call), ...sections(call));
  }, (error) => fill(element, h("p", { class: "problem" }, messageOf(error))));
  return { element, close: () => {} };
}

/**
 * A call as code, and sending it again, as it was or with changed fields.
 * @param {App} app
 * @param {string} path
 * @param {Call} call
 */
function sending(app, path, call) {
  const output = outputLine();
  const reply = h("div");
  const base = new URL("..", app.api.base).href;
  const copies = ["curl", "httpx", "fetch"].map((kind) =>
    copyButton(() => app.api.text(`${path}/code`, { as: kind, base_url: base }), `Copy as ${kind}`, output));
  /** @param {() => object} make the body of the request */
  const send = async (make) => {
    /** @type {SentCall} */
    const sent = await app.api.send("POST", `${path}/send`, make());
    fill(reply, h("p", {}, replyChip(sent.call.status), " ", h("a", { href: `#/calls/${encodeURIComponent(sent.call.id)}` }, "the new call")),
      sent.reply !== null && h("pre", { tabindex: 0 }, formatted(sent.reply)));
    return "Sent again";
  };
  const text = h("textarea", { rows: 6, class: "mono", "aria-label": "Changed fields", spellcheck: "false" });
  text.value = JSON.stringify(call.request?.values ?? {}, null, 2);
  return h("div", {}, h("div", { class: "actions" }, ...copies, actionButton("Send again", output, () => send(() => ({})))),
    call.method === "POST" && h("details", {}, h("summary", {}, "Edit and send"), text,
      h("div", { class: "actions" }, actionButton("Send with these fields", output, () => send(() => ({ changes: parsed("Changed fields", text.value) }))))),
    output, reply, call.method === "POST" && (call.task_id !== null || call.script !== null) && storyButtons(app, path, call.id, output));
}

/**
 * A reply for reading: indented if it is JSON.
 * @param {string} text
 */
function formatted(text) {
  try {
    return json(JSON.parse(text));
  } catch {
    return visible(text);
  }
}

/** @param {Call} call */
function sections(call) {
  const request = call.request;
  return [
    section("Reply", facts([
      ["Status", replyChip(call.status)],
      call.message === null ? null : ["Message", visible(call.message)],
      call.shown === null ? null : ["Task status", statusChip(call.shown)],
      call.actual === null ? null : ["True status", statusChip(call.actual)],
      call.task_id === null ? null : ["Task", h("a", { href: `#/tasks/${encodeURIComponent(call.task_id)}`, class: "mono" }, call.task_id)],
      call.script === null ? null : ["Script", h("a", { href: `#/scripts/${call.script}` }, `#${call.script}`)],
      ["At", dateTime(call.at)],
      ["Account", call.account ?? "none"],
      ["Id", h("span", { class: "mono" }, call.id)],
    ])),
    call.faults.length > 0 && section("Faults", h("ul", {}, ...call.faults.map((fault) => h("li", {}, visible(fault))))),
    call.notes.length > 0 && section("Notes", h("ul", {}, ...call.notes.map((note) => h("li", {}, visible(note))))),
    request && section("Request", facts(Object.entries(request.values).map(([name, value]) =>
      [name, h("span", { class: "value", dir: "auto" }, json(value))]))),
    request && request.pictures.length > 0 && section("Pictures", table(["Field", "Picture"], request.pictures.map((picture) =>
      [h("span", { class: "mono" }, picture.field), picture.url === null ? `${size(picture.size)}, SHA-256 ${picture.sha256.slice(0, 12)}…` : linked(picture.url)]))),
    section("Headers", table(["Name", "Value"], call.headers.map(([name, value]) =>
      [h("span", { class: "mono" }, visible(name)), h("span", { class: "mono value" }, visible(value))]))),
  ];
}

/**
 * The rule that refused a call: its text and source, and the settings that relax it.
 * @param {App} app
 * @param {Call} call
 */
function ruleSection(app, call) {
  const rule = call.rule;
  if (rule === null) return null;
  const content = h("div", {}, h("p", { class: "mono" }, visible(rule)));
  const output = outputLine();
  const path = `rules/${encodeURIComponent(rule)}`;
  const load = async () => {
    /** @type {RuleInfo} */
    const found = await app.api.get(path);
    fill(content, h("p", {}, h("span", { class: "mono" }, found.id), " · ",
      h("a", { href: `#/calls?rule=${encodeURIComponent(rule)}` }, "all calls that it refused")),
      ...found.texts.map((text) => h("div", { class: "rule" }, h("p", {}, visible(text.sentence)),
        h("p", { class: "sub" }, `${text.of.join(", ")} · source: ${text.origin} (${text.reference}) · confidence: ${text.confidence} · effect: ${text.effect}`))),
      found.switches.length === 0 ? h("p", { class: "muted" }, "No setting relaxes this rule now.")
        : table(["Setting", "Value", ""], found.switches.map((each) => [h("code", {}, each.setting), h("span", { class: "mono value" }, JSON.stringify(each.value)), relax(each)])),
      output);
  };
  /** @param {RuleSwitch} each */
  const relax = (each) => {
    const relaxed = JSON.stringify(each.relaxed);
    if (each.fixed !== null) return h("span", { class: "sub" }, `fixed: ${each.fixed}`);
    if (JSON.stringify(each.value) === relaxed) return h("span", { class: "sub" }, "is relaxed");
    return actionButton("Relax", output, async () => {
      await app.api.send("PATCH", "settings", { [each.setting]: each.relaxed });
      await load();
      return `${each.setting} is now ${relaxed}, until the server ends`;
    }, { title: `Set ${each.setting} to ${relaxed}` });
  };
  load().catch((error) => {
    content.append(h("p", { class: "sub" }, messageOf(error)));
  });
  return section("Rule of the refusal", content);
}
