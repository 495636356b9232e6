// The curve behind the points of the front: plans between the floors, from accurate to cheap, where a search knows such.

const CURVE = 4; // the hue of the one run's curve where hues are runs'; of several, each has its own run's
const FOLLOWED = 0.95; // how much of the float network's accuracy the curve is followed down to, at the least

/** The plans of the selected run's curve as a table, folded up. */
function drawPath() {
  const { path, name } = run();
  const place = slot("front", "path");
  const whose = several ? ` of ${name}` : "";
  fill(place, path.length > 0 && h("details", { open: place.querySelector("details")?.open },
    h("summary", `The ${path.length} ${plansWords(run())}${whose} as a table`), pathTable()));
}

/** What the plans of a run's curve are. */
function plansWords(given) {
  return oneFormatEach(given) ? "plans of one format everywhere" : "plans between the floors";
}

/** Small dots on a line, in the hue of a family or of none. */
function curveIcon(tone = several || byFamily ? UNROUNDED : CURVE) {
  const dots = [0, 6, 12].map((cx) => s("circle", { class: "waypoint", cx, cy: 6, r: 2 }));
  return icon(s("g", { class: hue(tone) }, s("path", { class: "curve", d: "M0 6H12" }), dots));
}

/** Whether a plan is accurate enough to be in view. */
function inView(low) {
  return (plan) => plan.report.value >= low;
}

/** Plans of a run's curve: a line that leaves the picture at its lower edge, and a dot for each in view. */
function curve(stops, index, { left, right, top, bottom }) {
  const [width, height] = [right - left, bottom - top];
  const view = { x: left, y: top, width, height, viewBox: `${left} ${top} ${width} ${height}` };
  const line = stops.map((stop) => `${stop.left} ${stop.top}`).join("L");
  const kinds = new Set(stops.map(({ plan }) => plan.family));
  const tone = byFamily ? seriesOf(kinds.size > 1 ? "mixed" : [...kinds][0]) : several ? index : CURVE;
  return s("g", { class: byFamily ? `${hue(tone)} dashed` : hue(tone) },
    stops.length > 1 && s("svg", view, s("path", { class: "curve", d: `M${line}` })),
    stops.filter((stop) => stop.top <= bottom).map((stop) => waypoint(stop, index)));
}

function waypoint({ plan, left, top, label, place }, index) {
  const { name, path, points } = report.runs[index];
  const apart = oneFormatEach(report.runs[index]);
  const title = apart ? plan.numbers : `plan ${path.indexOf(plan) + 1} of the ${path.length} between the floors`;
  const dot = s("g", { class: "stop" },
    byFamily ? s("g", { class: "small", transform: `translate(${left} ${top}) scale(0.5)` }, planShape(index, plan))
      : s("circle", { class: "waypoint", cx: left, cy: top, r: 2.4 }),
    place && s("text", place, label),
    s("circle", { class: "hit", cx: left, cy: top, r: 7 }));
  return tip(dot, several ? `${name}, ${title}` : title, priceText(plan),
    `${percent(plan.report.value)} on the report split, ${percent(plan.search.value)} on the search split`,
    familyText(plan),
    !apart && `Bits of inputs/weights, ${points[0].layers[0].layer} first: ${shortened(plan.bits)}`);
}

/** A plan's family where there are several, and what is mixed. */
function familyText({ family: name, numbers }) {
  return byFamily && `${familyName(name)}: ${numbers}`;
}

/** The layers' bits as a line of text, the middle of a deep network left out. */
function shortened(bits) {
  return (bits.length > 32 ? [...bits.slice(0, 20), "…", ...bits.slice(-10)] : bits).join(" ");
}

function pathTable() {
  const { path, name } = run();
  const apart = oneFormatEach(run());
  const rows = path.map((plan, index) => ({ ...plan, index: index + 1 }));
  const bits = (kind) => ({ ...number(`${kind}_bits`, kind, (row) => row[`${kind}_bits`], (mean) => mean.toFixed(2)),
    group: "mean bits", leads: kind === KINDS[0][0] });
  return table({
    key: "path", file: several ? `${name}-path` : "path", rows,
    title: apart ? "Plans of one format everywhere, most energy first"
      : "Plans between the floors, from accurate to cheap; bits are those of each layer's inputs/weights",
    columns: [
      number("plan", "plan", ({ index }) => index, String),
      { name: "family", title: "family", kind: "text", shown: byFamily, text: ({ family: given }) => familyName(given) },
      { name: "numbers", title: "formats", kind: "wrap", shown: apart, text: numbersText },
      number("energy_pj", "energy", ({ energy_pj: pj }) => pj, energy),
      number("of_16_bits", "of 16 bits", ({ of_16_bits: share }) => share, ratio),
      number("search_accuracy", "search split", ({ search }) => search.value, percent),
      number("search_kept", "kept", ({ search }) => search.kept, ratio),
      number("report_accuracy", "report split", ({ report: { value } }) => value, percent),
      number("report_kept", "kept", ({ report: { kept } }) => kept, ratio),
      { name: "front", title: "on the front", kind: "text", shown: apart, text: ({ front }) => front ? "yes" : "" },
      ...KINDS.map(([kind]) => bits(kind)),
      { name: "bits", title: "bits, layer by layer", kind: "wrap", shown: !apart, text: (row) => row.bits.join(" ") },
    ],
  });
}
