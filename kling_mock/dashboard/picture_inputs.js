// @ts-check
/** The pictures of a create request: dropped or chosen files, URLs, or drawn samples. */

/** @import {RequestField} from "./models.js" */

import { fill, h } from "./dom.js";
import { size } from "./format.js";

const SIDE = 512;
const COLOURS = [["#3b4cca", "#f2a65a"], ["#1b998b", "#e84855"], ["#6b2737", "#a8dadc"], ["#2d3142", "#ef8354"]];

/** @typedef {{ field: string, file: File | null, url: string | null }} Chosen */

export class PictureInputs {
  /** @type {RequestField[]} */
  #fields = [];
  /** @type {Chosen[]} */
  #chosen = [];

  constructor() {
    this.input = h("input", {
      type: "file", accept: "image/png,image/jpeg", multiple: true, "aria-label": "Choose pictures",
      onchange: () => {
        this.add([...(this.input.files ?? [])]);
        this.input.value = "";
      },
    });
    this.url = h("input", { type: "url", placeholder: "https://…", "aria-label": "URL of a picture", class: "grow" });
    this.cards = h("ul", { class: "chosen" });
    this.zone = h("div", { class: "drop" },
      h("p", {}, "Drop PNG or JPEG files here, or ", this.input),
      h("div", { class: "actions" }, this.url,
        h("button", { type: "button", onclick: () => this.#addUrl() }, "Add URL"),
        h("button", { type: "button", onclick: () => void this.#addSamples() }, "Draw two samples")));
    this.element = h("fieldset", { class: "pictures" }, h("legend", {}, "Pictures"), this.zone, this.cards);
    for (const name of ["dragenter", "dragover"]) this.zone.addEventListener(name, (event) => this.#drag(event, true));
    for (const name of ["dragleave", "drop"]) this.zone.addEventListener(name, (event) => this.#drag(event, false));
    this.zone.addEventListener("drop", (event) => this.add([...(event.dataTransfer?.files ?? [])]));
  }

  focus() {
    this.input.focus();
  }

  /** @param {RequestField[]} fields those of the operation */
  setFields(fields) {
    this.#fields = fields.filter((field) => field.kind === "picture" || field.kind === "pictures");
    this.element.hidden = this.#fields.length === 0;
    const chosen = this.#chosen;
    this.#chosen = [];
    for (const each of chosen) this.#chosen.push({ ...each, field: this.#free() });
    this.#show();
  }

  /** @param {File[]} files */
  add(files) {
    for (const file of files) this.#chosen.push({ field: this.#free(), file, url: null });
    this.#show();
  }

  /**
   * The fields with their pictures, as the service expects them.
   * @returns {Promise<Record<string, unknown>>}
   */
  async values() {
    /** @type {Record<string, unknown>} */
    const body = {};
    for (const field of this.#fields) {
      const texts = await Promise.all(this.#chosen.filter((each) => each.field === field.name).map(textOf));
      if (texts.length === 0) continue;
      const item = field.item;
      body[field.name] = field.kind === "picture" || item === null ? texts[0] : texts.map((text) => ({ [item]: text }));
    }
    return body;
  }

  /** The field for the next picture: the first that is not full, else the first. */
  #free() {
    const full = (/** @type {RequestField} */ field) =>
      this.#chosen.filter((each) => each.field === field.name).length >= (field.kind === "pictures" ? (field.maximum ?? 1) : 1);
    return (this.#fields.find((field) => !full(field)) ?? this.#fields[0])?.name ?? "";
  }

  #addUrl() {
    if (this.url.value === "") return;
    this.#chosen.push({ field: this.#free(), file: null, url: this.url.value });
    this.url.value = "";
    this.#show();
  }

  async #addSamples() {
    const count = this.#chosen.length;
    this.add(await Promise.all([sample(count), sample(count + 1)]));
  }

  #show() {
    fill(this.cards, ...this.#chosen.map((each, index) => {
      const image = h("img", { alt: "", class: "thumb" });
      if (each.file) {
        const url = URL.createObjectURL(each.file);
        image.src = url;
        const done = () => URL.revokeObjectURL(url);
        image.addEventListener("load", done, { once: true });
        image.addEventListener("error", done, { once: true });
      }
      const field = h("select", {
        "aria-label": `Field of picture ${index + 1}`, onchange: () => (each.field = field.value),
      }, ...this.#fields.map(({ name }) => h("option", { value: name, selected: name === each.field }, name)));
      return h("li", {}, each.file ? image : h("span", { class: "thumb" }, "URL"),
        h("span", { class: "grow name" }, each.file ? `${each.file.name} (${size(each.file.size)})` : each.url), field,
        h("button", { type: "button", class: "close", "aria-label": `Remove picture ${index + 1}`, onclick: () => {
          this.#chosen.splice(index, 1);
          this.#show();
        } }, "✕"));
    }));
  }

  /**
   * @param {Event} event
   * @param {boolean} inside
   */
  #drag(event, inside) {
    event.preventDefault();
    this.zone.classList.toggle("over", inside);
  }
}

/**
 * A picture as the service expects it: its URL, or base64 without a prefix.
 * @param {Chosen} chosen
 * @returns {Promise<string>}
 */
function textOf({ file, url }) {
  if (file === null) return Promise.resolve(url ?? "");
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^data:[^,]*,/, ""));
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

/**
 * A PNG with a simple drawing.
 * @param {number} number chooses its colours
 * @returns {Promise<File>}
 */
async function sample(number) {
  const canvas = h("canvas", { width: SIDE, height: SIDE });
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser draws no pictures");
  const [ground, shape] = COLOURS[number % COLOURS.length] ?? ["#333", "#eee"];
  context.fillStyle = ground ?? "";
  context.fillRect(0, 0, SIDE, SIDE);
  context.fillStyle = shape ?? "";
  context.beginPath();
  context.arc(SIDE / 2, SIDE / 2, SIDE / 3.2, 0, 2 * Math.PI);
  context.fill();
  const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob === null) throw new Error("the picture could not be encoded");
  return new File([blob], `sample-${number + 1}.png`, { type: "image/png" });
}
