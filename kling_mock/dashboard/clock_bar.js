// @ts-check
/** The bar with the server's clock: freeze, advance, speed, the next event, and a slider over the events ahead. */

/** @import {App} from "./hub.js" */
/** @import {ClockReading, Event as NextEvent, TaskPage} from "./models.js" */

import { delayed } from "./delayed.js";
import { h, setText } from "./dom.js";
import { duration, time } from "./format.js";
import { actionButton, outputLine, show } from "./widgets.js";

const STEPS = [1, 10, 60, 3600];
const SPEEDS = [0.1, 0.5, 1, 2, 5, 10, 60, 600];
const AHEAD = 100;
const NUDGE = 0.001;
// The next event may change with each event of the server.
const PAUSE = 500;

export class ClockBar {
  /** @type {number[]} */
  #ahead = [];
  #later = delayed(PAUSE, () => this.load());
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    const output = outputLine();
    this.time = h("time", { class: "mono" });
    this.freeze = actionButton("Freeze", output, () => this.#change(app.clock.frozen ? { resume: true } : { freeze: true }));
    this.speed = h("select", {
      "aria-label": "Speed of the clock", onchange: () => void show(output, () => this.#change({ speed: Number(this.speed.value) })),
    }, ...SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, `× ${speed}`)));
    this.custom = h("input", { type: "number", min: 0, step: "any", "aria-label": "Seconds to advance", placeholder: "s", class: "short" });
    this.next = h("span", { class: "next-event" });
    this.skip = actionButton("Skip to it", output, () => this.#change({ skip: true }), { title: "Move the clock to the next event" });
    this.slider = h("input", {
      type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "Events ahead", class: "slider",
      onfocus: () => void show(output, () => this.#loadAhead()), onpointerenter: () => void show(output, () => this.#loadAhead()),
      oninput: () => this.#preview(), onchange: () => void show(output, () => this.#jump()),
    });
    this.element = h("div", { class: "clock-bar", role: "group", "aria-label": "Clock of the server" },
      this.time, this.freeze, this.speed,
      h("span", { class: "group", role: "group", "aria-label": "Advance" }, ...STEPS.map((step) =>
        actionButton(`+${duration(step).replace(".0", "")}`, output, () => this.#change({ advance: step }), { title: "Advance the clock" }))),
      h("form", { class: "group", novalidate: true, onsubmit: (event) => event.preventDefault() }, this.custom,
        actionButton("Advance", output, () => this.#advance(), { type: "submit" })),
      this.slider, this.next, this.skip, output);
    app.hub.on("tick", () => this.#tick());
    app.hub.on("clock", (reading) => this.#read(reading));
    for (const topic of /** @type {const} */ (["task", "call", "callback", "reload"])) app.hub.on(topic, () => this.#later());
    app.hub.on("reload", () => {
      this.#ahead = [];
      setText(output, "");
    });
  }

  async load() {
    try {
      this.#read(await this.#app.api.get("clock"));
    } catch {
      // The state of the connection shows that the server does not answer.
    }
  }

  /** Finds the events of unfinished tasks, oldest first, for the slider. Without them it has the next event. */
  async #loadAhead() {
    const pages = await Promise.all(["submitted", "processing"].map((status) =>
      this.#app.api.get("tasks", { status, limit: AHEAD })));
    const tasks = pages.flatMap((/** @type {TaskPage} */ page) => page.tasks);
    if (this.slider.value !== "0") return; // it is being moved
    this.#setAhead(tasks.flatMap((task) => [...task.planned.map((change) => change.at), task.callbacks?.next?.at ?? null]));
  }

  /** @param {Array<number | null>} instants those in the past, or unknown, are left out */
  #setAhead(instants) {
    const now = this.#app.clock.now() + NUDGE;
    const next = this.#app.clock.reading?.next_event?.at ?? null;
    const known = new Set([...instants, next]);
    this.#ahead = [...known].filter((at) => at !== null).filter((at) => at > now).sort((a, b) => a - b);
    this.slider.max = String(this.#ahead.length);
    this.slider.value = "0";
    this.slider.disabled = this.#ahead.length === 0;
  }

  /** @param {ClockReading} reading */
  #read(reading) {
    const { clock, hub } = this.#app;
    clock.set(reading);
    if (this.slider.value === "0") this.#setAhead(this.#ahead); // otherwise it is being moved
    setText(this.freeze, reading.frozen ? "Resume" : "Freeze");
    this.element.classList.toggle("frozen", reading.frozen);
    if (!reading.frozen) {
      if (!SPEEDS.includes(reading.speed) && ![...this.speed.options].some((option) => Number(option.value) === reading.speed)) {
        this.speed.append(h("option", { value: reading.speed }, `× ${reading.speed}`));
      }
      this.speed.value = String(reading.speed);
    }
    this.skip.disabled = reading.next_event === null;
    this.#tick();
    hub.emit("clock-read", reading);
  }

  #tick() {
    const { clock } = this.#app;
    const now = clock.now();
    setText(this.time, `${time(now)}${clock.frozen ? " frozen" : ""}`);
    if (document.activeElement === this.slider && this.slider.value !== "0") return;
    const event = clock.reading?.next_event ?? null;
    setText(this.next, event === null ? "no event ahead" : `${wordOf(event)} in ${duration(Math.max(0, event.at - now))}`);
    if (event !== null && event.at < now) this.#later();
  }

  #preview() {
    const at = this.#ahead[Number(this.slider.value) - 1];
    if (at !== undefined) this.next.textContent = `event ${this.slider.value} of ${this.#ahead.length}, in ${duration(Math.max(0, at - this.#app.clock.now()))}`;
  }

  async #jump() {
    const at = this.#ahead[Number(this.slider.value) - 1];
    this.slider.value = "0";
    // A little more, since the sum of floating-point numbers may be less than the instant.
    if (at !== undefined) await this.#change({ advance: Math.max(0, at - this.#app.clock.now()) + NUDGE });
  }

  async #advance() {
    if (this.custom.value === "" || !this.custom.validity.valid) throw new Error("Seconds to advance: must be a number of at least 0");
    await this.#change({ advance: Number(this.custom.value) });
  }

  /** @param {object} change */
  async #change(change) {
    this.#read(await this.#app.api.send("POST", "clock", change));
    this.#later();
  }
}

/** @param {NextEvent} event */
function wordOf(event) {
  return { task: "task changes", callback: "callback", window: "rate window ends", script: "script ends" }[event.kind];
}
