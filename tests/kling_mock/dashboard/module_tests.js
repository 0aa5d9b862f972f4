/**
 * Tests of the modules without DOM, evaluated in the page of the dashboard, which imports them. Returns the
 * failures as texts.
 */
async () => {
  const load = (name) => import(new URL(`ui/${name}.js`, document.baseURI).href);
  const [{ parsePlace, formatPlace }, { EventParser }, { PagedList }, format, { taskLine, countdown, nextAttempt }, { stepPath }, { ServerClock }] =
    await Promise.all(["address", "events", "paged_list", "format", "timeline", "chart", "clock"].map(load));
  const failures = [];
  const equal = (name, found, expected) => {
    if (JSON.stringify(found) !== JSON.stringify(expected)) failures.push(`${name}: ${JSON.stringify(found)} is not ${JSON.stringify(expected)}`);
  };

  for (const place of [
    { tab: "tasks", id: null, filters: {} },
    { tab: "calls", id: "a/b?c#d%&é\u0000", filters: { text: "a&b=c#d?e%", status: "4xx" } },
  ]) equal("a place is read as it was written", parsePlace(formatPlace(place)), place);
  equal("an unknown tab", parsePlace("#/nonsense/%zz?x=1"), { tab: "tasks", id: "%zz", filters: { x: "1" } });

  const stream = ": comment\n\nid: a-1\nevent: task\ndata: {\"x\":1}\n\nid: a-2\r\ndata: one\r\ndata: two\r\n\r\ndata\n\n";
  const whole = new EventParser().push(stream);
  equal("events", whole, [
    { id: "a-1", event: "task", data: '{"x":1}' },
    { id: "a-2", event: "message", data: "one\ntwo" },
    { id: "a-2", event: "message", data: "" },
  ]);
  for (let at = 1; at < stream.length; at++) {
    const parser = new EventParser();
    equal(`events of a stream cut at ${at}`, [...parser.push(stream.slice(0, at)), ...parser.push(stream.slice(at))], whole);
  }

  let ids = ["c", "b", "a"];
  const calls = [];
  const settled = async () => { for (let count = 0; count < 20; count++) await null; };
  const list = new PagedList(async (after) => {
    calls.push(after);
    const from = after === null ? 0 : ids.indexOf(after) + 1;
    const items = ids.slice(from, from + 2);
    return { items, next: from + 2 < ids.length ? items.at(-1) : null, total: ids.length };
  }, (item) => item);
  const added = [];
  list.onChange = (change) => added.push(change.added);
  list.restart();
  await settled();
  equal("the first page", [list.items, list.next, list.total], [["c", "b"], "b", 3]);
  await list.more();
  equal("the second page", [list.items, list.next], [["c", "b", "a"], null]);
  await list.more();
  equal("there is no third page", calls, [null, "b"]);
  ids = ["d", "c", "b", "a"];
  list.invalidate();
  list.invalidate();
  await new Promise((resolve) => setTimeout(resolve, 350));
  equal("a new item is put before the others, which are kept", [list.items, added.at(-1), calls.length], [["d", "c", "b", "a"], 1, 3]);
  ids = ["f", "e", "d", "c", "b", "a"];
  list.restart();
  await settled();
  equal("a restart drops the loaded pages", [list.items, list.next], [["f", "e"], "e"]);

  equal("durations", [0, 0.44, 9.94, 9.96, 59.6, 185, 3600, 7265, 90000, -2, NaN].map(format.duration),
    ["0.0 s", "0.4 s", "9.9 s", "10 s", "1 min", "3 min 5 s", "1 h", "2 h 1 min", "1 d 1 h", "-2.0 s", "–"]);
  equal("sizes", [0, 999, 1000, 9949, 9960, 2_500_000].map(format.size), ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "2.5 MB"]);
  equal("an excerpt keeps pairs of surrogates whole", [format.excerpt("🐈".repeat(5), 3), format.excerpt("a\nb\u0000", 9)], ["🐈🐈🐈…", "a b␀"]);

  const task = {
    status: "processing", created: 100, polls: 1, poll_times: [103], callbacks: null, next_change: 110,
    history: [{ status: "submitted", at: 100 }, { status: "processing", at: 102 }],
    planned: [{ status: "succeed", at: 110, polls: null, failure: null }],
  };
  const { start, end, segments, marks } = taskLine(task, 104);
  equal("the line of an unfinished task", [start, end, segments.map((each) => [each.status, each.from, each.to, each.planned]), marks.length], [
    100, 110, [["submitted", 100, 102, false], ["processing", 102, 104, false], ["processing", 104, 110, true]], 1]);
  const due = (at) => ({ ...task, callbacks: { attempts: [], next: { status: "succeed", at } } });
  equal("a callback due later than the line ends is a text only", [106, 110, 9000].map((at) => {
    const line = taskLine(due(at), 104);
    return [line.end, line.marks.map((mark) => mark.kind), nextAttempt(due(at), 104)];
  }), [[110, ["poll", "due"], "callback in 2.0 s"], [110, ["poll"], "callback in 6.0 s"], [110, ["poll"], "callback in 2 h 28 min"]]);
  equal("countdown", [
    countdown(task, 104),
    countdown({ ...task, planned: [{ status: "succeed", at: null, polls: 2, failure: null }] }, 104),
    countdown({ ...task, planned: [] }, 104),
    countdown({ ...task, status: "failed", history: [...task.history, { status: "failed", at: 105 }], planned: [] }, 104),
  ], ["succeed in 6.0 s", "succeed at poll 3", "processing for 2.0 s", "failed after 5.0 s"]);
  equal("steps", [stepPath([], 1, 1), stepPath([{ at: 0, value: 0 }, { at: 5, value: 2 }], 10, 2)], ["", "M0 56.0H150.0V0.0H300"]);

  let now = 0;
  const clock = new ServerClock(() => now);
  clock.set({ now: 1000, speed: 10, frozen: false, jumps: [], next_event: null });
  now = 500;
  equal("the clock runs at its speed", clock.now(), 1005);
  return failures;
}
