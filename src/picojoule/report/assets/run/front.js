// The front: every operating point and baseline by its energy and its accuracy on the report split, and behind them the
// curve of the plans between the floors. The points are one list for the keyboard: arrows walk it, Enter selects.

const AXES = {
  energy: { choice: "energy", title: "energy per inference", of: (point) => point.energy_pj, text: energy },
  relative: {
    choice: "share of the same network's 16-bit energy", title: "energy, of the same network's in 16 bits",
    of: (point) => point.of_16_bits, text: (value) => percent(value, 1),
  },
};

function drawFront() {
  drawn(slot("front", "picture"), frontPicture);
  fill(slot("front", "legend"), frontLegend());
  if (several) fill(slot("front", "axis"), axisSwitch());
  else fill(slot("front", "table"), pointsTable([0]));
  drawFamilies();
  drawPath();
}

function frontLegend() {
  const missing = marksOf((point) => point.energy_pj === null && [point]).length;
  const runs = report.runs.map((run, index) => h("span", runMark(index), run.name));
  const plans = new Set(report.runs.filter(({ path }) => path.length > 0).map(plansWords));
  const series = byFamily ? UNROUNDED : 0;
  return [
    several ? runs : h("span", mark(0, false, series), "searched for a floor"),
    byFamily && families.map((name) => h("span", familyIcon(name), familyName(name))),
    h("span", mark(0, true, series), `${several || byFamily ? "hollow: " : ""}16 bits, 8 bits or float32 everywhere`),
    plans.size > 0 && h("span", curveIcon(), [...plans].join(", ")),
    (several || byFamily) && h("span", icon(s("path", { class: "joint", d: "M-1 6H13" })), bestWords()),
    missing > 0 && h("span", `${missing} without a figure on the platform, not drawn`),
  ];
}

function familyIcon(name) {
  const series = seriesOf(name);
  return s("svg", { class: "long", viewBox: "-20 -8 40 16", "aria-hidden": "true" },
    s("g", { class: `${hue(series)} dashed` }, s("path", { class: "curve", d: "M-20 0H20" })),
    !several && shape(series));
}

function bestWords() {
  return several ? "the best of all runs" : "what no other beats in both";
}

function axisSwitch() {
  const change = ({ target }) => { state.axis = target.value; drawFront(); };
  const radio = (value) => h("input", { type: "radio", name: "axis", value, change, checked: state.axis === value,
    "data-key": `axis-${value}` });
  return h("fieldset", { class: "switch screen" }, h("legend", "Across:"),
    Object.entries(AXES).map(([value, { choice }]) => h("label", radio(value), " ", choice)));
}

/** For every point of every run for which `of` gives something, what it gives. */
function marksOf(of) {
  return report.runs.flatMap((run, index) => run.points.flatMap((point) => of(point, index, run) || []));
}

function frontPicture(width) {
  const axis = AXES[state.axis];
  const marks = marksOf((point, run) =>
    axis.of(point) !== null && [{ point, run, x: axis.of(point), y: point.report.value }]);
  if (marks.length === 0) return h("p", "The platform has no figure for any of the points.");
  marks.sort((one, other) => one.x - other.x || one.y - other.y);
  const height = Math.round(Math.max(260, Math.min(byFamily ? 460 : 400, width * 0.5)));
  const frame = { left: 52, right: width - 14, top: 34, bottom: height - 46 };
  const curves = report.runs.map(({ path }) => path.filter((plan) => axis.of(plan) !== null));
  const [low, high] = accuracies(marks, curves.flat());
  const energies = [...marks.map((each) => each.x), ...curves.flat().filter(inView(low)).map(axis.of)];
  const x = across(Math.min(...energies), Math.max(...energies), frame, byFamily ? 3 : 10);
  const y = scale([low, high], [frame.bottom, frame.top]);
  for (const each of marks) {
    const below = each.y < low;
    Object.assign(each, { below, left: x(each.x), top: below ? frame.bottom - 16 : y(each.y) });
    each.label = each.run !== state.run && each.point.baseline ? "" : markText(each); // others' lie on one another
  }
  const stops = curves.map((plans, index) => plans.map((plan) => ({ plan, run: index, left: x(axis.of(plan)),
    top: y(plan.report.value), x: axis.of(plan), y: plan.report.value,
    label: oneFormatEach(report.runs[index]) && stopText(plan, report.runs[index]) })));
  const shown = [...marks, ...stops.flat().filter(({ top }) => top <= frame.bottom)];
  placed(shown, frame, isSelected).forEach((place, index) => { shown[index].place = place; });
  const own = (index) => marks.filter((each) => each.run === index && each.point.front);
  return picture(width, height, { role: "group", "aria-label": "Energy against accuracy" },
    s("g", { "aria-hidden": "true" },
      axes(x, y, frame, {
        left: "accuracy, report split", across: (value) => roundText(axis.text(value)),
        below: x.logarithmic ? `${axis.title} (log scale)` : axis.title,
      }),
      (several || byFamily) && s("path", { class: "joint", d: stairs(best(byFamily ? shown : marks), frame) }),
      !byFamily && report.runs.map((_, index) =>
        s("path", { class: `stairs ${hue(index)}`, d: stairs(own(index), frame) })),
      stops.map((some, index) => branches(report.runs[index], some).map((branch) => curve(branch, index, frame)))),
    s("g", { role: "listbox", "aria-label": "Operating points" },
      marks.map((each, index) => frontMark(each, index, marks, y))));
}

/** The label of a plan of the curve, but for a baseline's, which stands there with its own. */
function stopText(plan, { points }) {
  const text = numbersText(plan);
  return points.some(({ label }) => label === text) ? "" : text;
}

/**
 * The accuracies in view: those of the marks, but for such as miss their floor by so much that the others would lie on
 * one line, and the upper part of the curves.
 */
function accuracies(marks, plans) {
  const ends = (some) => [
    Math.min(...some.map(({ point }) => point.report.low)),
    Math.max(...some.map(({ point }) => point.report.high)),
  ];
  let [low, high] = ends(marks);
  const held = marks.filter(({ point }) => point.holds);
  const [least, most] = ends(held.length > 0 ? held : marks);
  if (low < least - 2 * (most - least)) low = least - (most - least);
  const followed = plans.filter(({ report: { kept } }) => kept >= FOLLOWED).map(({ report: { value } }) => value);
  [low, high] = [Math.min(low, ...followed), Math.max(high, ...followed)];
  const spare = (high - low) * 0.06 || 0.01;
  return [Math.max(0, low - spare), Math.min(1, high + spare)];
}

/** Those that no other beats, cheapest first. */
function best(marks) {
  const found = [];
  for (const each of [...marks].sort((one, other) => one.x - other.x || other.y - one.y)) {
    if (found.length === 0 || each.y > found.at(-1).y) found.push(each);
  }
  return found;
}

function frontMark({ point, run, left, top, below, place }, index, marks, y) {
  const chosen = isSelected(marks[index]);
  const first = index === 0 && !marks.some(isSelected);
  const title = several ? `${report.runs[run].name}, ${pointName(point)}` : pointName(point);
  const accuracy = `${percent(point.report.value)} (95 %: ${interval(point.report)}) on the report split`;
  const price = priceText(point);
  const [low, high] = [y(point.report.low), y(point.report.high)];
  const numbers = familyText(point);
  const element = s("g", {
    class: "point", role: "option", "aria-selected": String(chosen), tabindex: chosen || first ? 0 : -1,
    "aria-label": present([title, price, accuracy, numbers]).join(", "), "data-key": `front-${run}-${point.label}`,
    click: () => select(run, point), keydown: (event) => walk(event, index, marks.length, () => select(run, point)),
  },
  !below && s("path", { class: `interval ${hue(hueOf(run, point))}`, d: `M${left - 4} ${low}h8m-4 0V${high}m-4 0h8` }),
  s("circle", { class: "ring", cx: left, cy: top, r: 12 }),
  s("g", { transform: `translate(${left} ${top})` }, planShape(run, point)),
  place && s("text", { class: chosen && "strong", ...place }, marks[index].label),
  s("circle", { class: "hit", cx: left, cy: top, r: reach(marks, index) }));
  return tip(element, title, price, accuracy, numbers, chosen ? "" : "Click to select");
}

function priceText({ energy_pj: pj, of_16_bits: share }) {
  return [energy(pj), share !== null && `${percent(share, 1)} of 16 bits`].filter(Boolean).join(", ");
}

function isSelected({ run, point }) {
  return run === state.run && point === selected();
}

function markText({ point, below }) {
  const told = [point.label, !point.holds && "✗", below && `↓ ${percent(point.report.value, 1)}`];
  return told.filter(Boolean).join(" ");
}
