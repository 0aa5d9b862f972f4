// @ts-check
/** The bar with the server's clock: freeze, advance, speed, the next event, and a slider over the events ahead. */

/** @import {App} from "./hub.js" */
/** @import {ClockReading, Event as NextEvent, TaskPage} from "./models.js" */

import { h, setText } from "./dom.js";
import { duration, time } from "./format.js";
import { actionButton, outputLine } from "./widgets.js";

const STEPS = [1, 10, 60, 3600];
const SPEEDS = [0.1, 0.5, 1, 2, 5, 10, 60, 600];
const AHEAD = 100;
const NUDGE = 0.001;

export class ClockBar {
  /** @type {number[]} */
  #ahead = [];
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    const output = outputLine();
    this.time = h("time", { class: "mono" });
    this.freeze = actionButton("Freeze", output, () => this.#change(app.clock.frozen ? { resume: true } : { freeze: true }));
    this.speed = h("select", { "aria-label": "Speed of the clock", onchange: () => this.speedButton.click() },
      ...SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, `× ${speed}`)));
    this.speedButton = actionButton("Set speed", output, () => this.#change({ speed: Number(this.speed.value) }), { class: "hidden", tabindex: "-1" });
    this.custom = h("input", { type: "number", min: 0, step: "any", "aria-label": "Seconds to advance", placeholder: "s", class: "short" });
    this.next = h("span", { class: "next-event" });
    this.skip = actionButton("Skip to it", output, () => this.#change({ skip: true }), { title: "Move the clock to the next event" });
    this.slider = h("input", {
      type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "Events ahead", class: "slider",
      oninput: () => this.#preview(), onchange: () => this.sliderButton.click(),
    });
    this.sliderButton = actionButton("Move", output, () => this.#jump(), { class: "hidden", tabindex: "-1" });
    this.element = h("div", { class: "clock-bar", role: "group", "aria-label": "Clock of the server" },
      this.time, this.freeze, this.speed, this.speedButton,
      h("span", { class: "group", role: "group", "aria-label": "Advance" }, ...STEPS.map((step) =>
        actionButton(`+${duration(step).replace(".0", "")}`, output, () => this.#change({ advance: step }), { title: "Advance the clock" }))),
      h("span", { class: "group" }, this.custom, actionButton("Advance", output, () => this.#change({ advance: Number(this.custom.value) }))),
      this.slider, this.sliderButton, this.next, this.skip, output);
    app.hub.on("tick", () => this.#tick());
    app.hub.on("clock", (reading) => this.#read(reading));
    for (const topic of /** @type {const} */ (["task", "call", "callback", "reload"])) app.hub.on(topic, () => this.#later());
  }

  #timer = 0;

  /** Reads clock and events ahead soon, since they may have changed. */
  #later() {
    this.#timer ||= window.setTimeout(() => {
      this.#timer = 0;
      void this.load();
    }, 500);
  }

  async load() {
    try {
      this.#read(await this.#app.api.get("clock"));
      const pages = await Promise.all(["submitted", "processing"].map((status) =>
        this.#app.api.get("tasks", { status, order: "newest", limit: AHEAD })));
      this.#findAhead(pages.flatMap((/** @type {TaskPage} */ page) => page.tasks));
    } catch {
      // The state of the connection shows that the server does not answer.
    }
  }

  /** @param {TaskPage["tasks"]} tasks */
  #findAhead(tasks) {
    const now = this.#app.clock.now();
    const instants = tasks.flatMap((task) => [...task.planned.map((change) => change.at), task.callbacks?.next?.at ?? null]);
    const next = this.#app.clock.reading?.next_event?.at ?? null;
    this.#setAhead([...new Set([...instants, next])].filter((at) => at !== null).filter((at) => at > now + NUDGE).sort((a, b) => a - b));
  }

  /** @param {number[]} instants in order */
  #setAhead(instants) {
    this.#ahead = instants;
    this.slider.max = String(instants.length);
    this.slider.value = "0";
    this.slider.disabled = instants.length === 0;
  }

  /** @param {ClockReading} reading */
  #read(reading) {
    const { clock, hub } = this.#app;
    clock.set(reading);
    this.#setAhead(this.#ahead.filter((at) => at > reading.now + NUDGE));
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
    // A little more, since the sum of floating-point numbers may be less than the instant.
    if (at !== undefined) await this.#change({ advance: Math.max(0, at - this.#app.clock.now()) + NUDGE });
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
