// The front: every operating point and baseline by its energy and its accuracy on the report split. The points are one
// list for the keyboard: arrows walk it, Enter selects.

const AXES = {
  energy: { title: "energy per inference", of: (point) => point.energy_pj, text: energy },
  relative: { title: "energy, of the same network's in 16 bits", of: (point) => point.of_16_bits, text: (value) => percent(value, 1) },
};

function drawFront() {
  drawn(slot("front", "picture"), frontPicture);
  const names = report.runs.map((run, index) => h("span", null, mark(index), run.name));
  const missing = marksOf((point) => point.energy_pj === null && [point]).length;
  fill(slot("front", "legend"),
    several ? names : h("span", null, mark(0), "searched for a floor"),
    h("span", null, mark(0, true), `${several ? "hollow: " : ""}16 bits, 8 bits or float32 everywhere`),
    several && h("span", null, s("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" }, s("path", { class: "joint", d: "M0 7H14" })), "the best of all runs"),
    missing > 0 && h("span", null, `${missing} without a figure on the platform, not drawn`));
  if (several) {
    const choices = { energy: "energy", relative: "share of the same network's 16-bit energy" };
    fill(slot("front", "axis"), h("fieldset", { class: "switch screen" }, h("legend", null, "Across:"),
      Object.entries(choices).map(([name, title]) => h("label", null,
        h("input", { type: "radio", name: "axis", checked: state.axis === name, "data-key": `axis-${name}`,
          change: () => { state.axis = name; drawFront(); } }), " ", title))));
  } else {
    fill(slot("front", "table"), pointsTable([0]));
  }
}

/** For every point of every run for which `of` gives something, what it gives. */
function marksOf(of) {
  return report.runs.flatMap((run, index) => run.points.flatMap((point) => of(point, index, run) || []));
}

function frontPicture(width) {
  const axis = AXES[state.axis];
  const marks = marksOf((point, run) => axis.of(point) !== null && [{ point, run, x: axis.of(point), y: point.report.value }])
    .sort((one, other) => one.x - other.x || one.y - other.y);
  if (marks.length === 0) return h("p", null, "The platform has no figure for any of the points.");
  const height = Math.round(Math.max(260, Math.min(400, width * 0.5)));
  const frame = { left: 52, right: width - 14, top: 34, bottom: height - 46 };
  const xs = marks.map(({ x }) => x);
  const [least, most] = [xs[0], xs.at(-1)];
  const logarithmic = least > 0 && most > 10 * least;
  const pad = logarithmic ? 1.25 : 1;
  const room = logarithmic ? 0 : (most - least || most || 1) * 0.12;
  const x = scale([least / pad - room, most * pad + room], [frame.left, frame.right], logarithmic);
  const [low, high] = accuracies(marks);
  const y = scale([low, high], [frame.bottom, frame.top]);
  for (const each of marks) Object.assign(each, { left: x(each.x), top: y(Math.max(low, each.y)), below: each.y < low });
  const labels = placed(marks, frame);
  return picture(width, height, { role: "group", "aria-label": "Energy against accuracy" },
    s("g", { "aria-hidden": "true" }, frontAxes(x, y, frame, axis, logarithmic)),
    s("g", { "aria-hidden": "true" }, several && s("path", { class: "joint", d: stairs(best(marks), frame) }),
      report.runs.map((run, index) => s("path", { class: `stairs run-${index % 6}`,
        d: stairs(marks.filter((each) => each.run === index && each.point.front), frame) }))),
    s("g", { role: "listbox", "aria-label": "Operating points" },
      marks.map((each, index) => frontMark(each, marks, index, y, labels[index]))));
}

/** The accuracies in view: all, but for points that miss their floor by so much that the others would lie on one line. */
function accuracies(marks) {
  const ends = (some) => [Math.min(...some.map(({ point }) => point.report.low)), Math.max(...some.map(({ point }) => point.report.high))];
  let [low, high] = ends(marks);
  const held = marks.filter(({ point }) => point.holds);
  if (held.length > 0) {
    const [least, most] = ends(held);
    if (low < least - 2 * (most - least)) low = least - (most - least);
  }
  const spare = (high - low) * 0.06 || 0.01;
  return [Math.max(0, low - spare), Math.min(1, high + spare)];
}

/** Those that no other beats, cheapest first; `marks` is sorted by energy. */
function best(marks) {
  const found = [];
  for (const each of [...marks].sort((one, other) => one.x - other.x || other.y - one.y)) {
    if (found.length === 0 || each.y > found.at(-1).y) found.push(each);
  }
  return found;
}

function stairs(steps, frame) {
  if (steps.length === 0) return "";
  const corners = steps.map(({ left, top }, index) => index === 0 ? `M${left} ${top}` : `H${left}V${top}`);
  return `${corners.join("")}H${frame.right}`;
}

function frontAxes(x, y, frame, axis, logarithmic) {
  const across = x.ticks(logarithmic ? (frame.right - frame.left) / 70 : Math.max(2, Math.floor((frame.right - frame.left) / 110)));
  const up = y.ticks(8);
  const digits = up.length > 1 && up[1] - up[0] < 0.00999 ? (up[1] - up[0] < 0.000999 ? 2 : 1) : 0;
  return [
    up.map((tick) => [
      s("line", { class: "gridline", x1: frame.left, x2: frame.right, y1: y(tick), y2: y(tick) }),
      s("text", { x: frame.left - 8, y: y(tick) + 4, "text-anchor": "end" }, percent(tick, digits)),
    ]),
    across.map((tick) => [
      s("line", { class: "axis", x1: x(tick), x2: x(tick), y1: frame.bottom, y2: frame.bottom + 5 }),
      s("text", { x: x(tick), y: frame.bottom + 19, "text-anchor": "middle" }, tickText(axis, tick)),
    ]),
    s("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
    s("text", { x: 0, y: 10 }, "accuracy, report split"),
    s("text", { x: frame.right, y: frame.bottom + 38, "text-anchor": "end" }, `${axis.title}${logarithmic ? " (log scale)" : ""}`),
  ];
}

/** A round value without the zeros that three figures would give it. */
function tickText(axis, tick) {
  return axis.text(tick).replace(/(\.\d*?)0+(?= )/, "$1").replace(/\.(?= )/, "");
}

function frontMark({ point, run, left, top, below }, marks, index, y, label) {
  const chosen = run === state.run && point === selected();
  const [low, high] = [y(point.report.low), y(point.report.high)];
  const baseline = point.keep === null;
  const title = `${several ? `${report.runs[run].name}, ` : ""}${pointName(point)}`;
  const accuracy = `${percent(point.report.value)} (95 %: ${interval(point.report)}) on the report split`;
  const saving = point.of_16_bits === null ? "" : `${percent(point.of_16_bits, 1)} of 16 bits`;
  const walk = (event) => {
    const next = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1,
      Home: 0, End: marks.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") select(run, point);
    else if (next !== undefined) event.currentTarget.parentNode.children[Math.max(0, Math.min(marks.length - 1, next))].focus();
    else return;
    event.preventDefault();
  };
  const shown = marks.some((each) => each.run === state.run && each.point === selected());
  const element = s("g", {
    class: "point", role: "option", "aria-selected": String(chosen), tabindex: chosen || (!shown && index === 0) ? 0 : -1,
    "aria-label": [title, energy(point.energy_pj), accuracy, saving].filter(Boolean).join(", "),
    "data-key": `front-${run}-${point.label}`, click: () => select(run, point), keydown: walk,
  },
  !below && s("path", { class: `interval run-${run % 6}`, d: `M${left - 4} ${low}h8m-4 0V${high}m-4 0h8` }),
  s("circle", { class: "hit", cx: left, cy: top, r: reach(marks, index) }),
  s("circle", { class: "ring", cx: left, cy: top, r: 12 }),
  s("g", { transform: `translate(${left} ${top})` }, shape(run, baseline)),
  label && s("text", { class: chosen ? "strong" : null, x: label.x, y: label.y, "text-anchor": label.anchor }, markText(marks[index])));
  return tip(element, title, energy(point.energy_pj) + (saving && `, ${saving}`), accuracy, chosen ? "" : "Click to select");
}

function markText({ point, below }) {
  return [point.label, !point.holds && "✗", below && `↓ ${percent(point.report.value, 1)}`].filter(Boolean).join(" ");
}

/** How far around a point a press is meant for it: not beyond halfway to the next one. */
function reach(marks, index) {
  const { left, top } = marks[index];
  const others = marks.filter((_, other) => other !== index).map((other) => Math.hypot(other.left - left, other.top - top) / 2);
  return Math.max(6, Math.min(18, ...others));
}

/** A place for each point's label beside it where it hides nothing, or none; the selected point chooses first. */
function placed(marks, frame) {
  const taken = marks.map(({ left, top }) => ({ left: left - 8, right: left + 8, top: top - 8, bottom: top + 8 }));
  const labels = marks.map(() => null);
  const first = (index) => marks[index].point === selected() && marks[index].run === state.run ? 0 : 1;
  for (const index of marks.map((_, at) => at).sort((one, other) => first(one) - first(other))) {
    const { run, point, left, top } = marks[index];
    if (run !== state.run && point.keep === null) continue; // baselines of other runs lie on one another
    const wide = textWidth(markText(marks[index]), "600 12px");
    const places = [[14, 4, "start"], [-14, 4, "end"], [0, -15, "middle"], [0, 24, "middle"], [11, -10, "start"],
      [11, 18, "start"], [-11, -10, "end"], [-11, 18, "end"]];
    for (const [across, down, anchor] of places) {
      const start = left + across - { start: 0, middle: wide / 2, end: wide }[anchor];
      const box = { left: start, right: start + wide, top: top + down - 11, bottom: top + down + 3 };
      const free = taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
      if (!free || box.left < frame.left || box.right > frame.right + 12 || box.top < frame.top - 18) continue;
      taken.push(box);
      labels[index] = { x: left + across, y: top + down, anchor };
      break;
    }
  }
  return labels;
}

/** The points of some runs as a table; of several runs only those with a floor. */
function pointsTable(runs) {
  const rows = runs.flatMap((index) => report.runs[index].points
    .filter((point) => !several || point.keep !== null).map((point) => ({ point, index, run: report.runs[index] })));
  const text = (name, title, of, more) => ({ name, title, text: of, kind: "text", shown: several, ...more });
  return table({
    key: "points", file: several ? "runs" : fileName("points"), rows,
    title: several ? "Runs and floors" : "Operating points and baselines",
    current: ({ point, index }) => index === state.run && point === selected(),
    columns: [
      text("run", "run", ({ run }) => run.name, { node: ({ run, index }) => [mark(index), run.name] }),
      { name: "keep", title: several ? "keep" : "point", kind: "text", text: ({ point }) => point.label, node: chooser },
      { name: "floor", title: "floor", kind: "text", text: ({ point }) => floorWord(point) },
      { name: "energy_pj", title: "energy", text: ({ point }) => energy(point.energy_pj), value: ({ point }) => point.energy_pj },
      number("of_16_bits", "of 16 bits", ({ point }) => point.of_16_bits, ratio),
      number("of_8_bits", "of 8 bits", ({ point }) => point.of_8_bits, ratio),
      { ...number("search_accuracy", "search split", ({ point }) => point.search.value, percent), shown: !several },
      { ...number("search_kept", "kept", ({ point }) => point.search.kept, ratio), shown: !several },
      number("report_accuracy", "report split", ({ point }) => point.report.value, percent),
      { name: "report_low", title: "95 %", text: ({ point }) => interval(point.report), value: ({ point }) => point.report.low },
      { name: "report_high", shown: false, value: ({ point }) => point.report.high },
      number("report_kept", "kept", ({ point }) => point.report.kept, ratio),
      { name: "front", title: "on the front", kind: "text", text: ({ point }) => point.front ? "yes" : "", shown: !several },
      text("strategy", "strategy", ({ run }) => run.strategy),
      text("platform", "platform", ({ run }) => run.platform),
      text("network", "network and data", ({ run }) => run.title, { kind: "wrap" }),
    ],
  });

  function chooser({ point, index }) {
    return button(point.label, () => select(index, point), { class: "link", "data-key": `point-${index}-${point.label}`,
      "aria-label": `Select ${several ? `${report.runs[index].name}, ` : ""}${pointName(point)}` });
  }
}

/** A column of numbers, saved as they are. */
function number(name, title, of, text) {
  return { name, title, value: of, text: (row) => of(row) === null ? "" : text(of(row)) };
}
