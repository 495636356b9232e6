// The decision log: at each site the bits that were tried, the accuracy each gave on the search split, and the floor.

function drawDecisions() {
  const point = selected();
  const { log } = point;
  const axes = log.length > 0 && axesOf(point);
  fill(slot("decisions", "says"), decisionWords(point));
  const held = s("circle", { class: "held", cx: 6, cy: 6, r: 4.5 });
  fill(slot("decisions", "legend"), log.length > 0 && [
    legendEntry("tried, the floor holds", held),
    legendEntry("tried, the floor fails", cross(6, 6)),
    legendEntry("taken", held.cloneNode(), s("circle", { class: "taken", cx: 6, cy: 6, r: 7.5 })),
    legendEntry("the floor", s("line", { class: "floorline", x1: -1, x2: 12, y1: 6, y2: 6 })),
    log.some(({ trials }) => trials.some(({ bound }) => bound))
      && legendEntry("at most or at least so much: certain before every sample was seen", arrow(6, -5, "at most")),
  ]);
  fill(slot("decisions", "sites"), log.map((decision) => card(point, decision, axes)));
  fill(slot("decisions", "table"), log.length > 0 && h("details",
    h("summary", `All ${sum(log.map(({ trials }) => trials.length))} trials as a table`), trialsTable(log)));
}

function decisionWords(point) {
  if (point.baseline && oneFormat(point)) return "A baseline: one format everywhere, and nothing to decide.";
  if (point.baseline) return "The plan that the search ended with, before anything was retrained.";
  if (point.keep === null) return "The network was trained at this plan: nothing was searched.";
  const share = Number((100 * point.keep).toPrecision(12)); // 99.5, not 99.50000000000001
  const floor = `The floor is ${percent(point.needed)}, ${share} % of the float network's.${marginWords(point)}`;
  if (point.log.length > 0) return `${logWords(point)} ${floor}`;
  if (point.stopped) return `The search was stopped before its first decision. ${floor}`;
  if (point.holds) return `The network was trained on at this plan: nothing was decided here. ${floor}`;
  const blockers = point.blockers.join(", ") || "not measured";
  return `${floor} Even the most bits do not hold it, so nothing narrower was tried. In the way: ${blockers}.`;
}

/** With a confidence, a plan at the floor does not hold it. */
function marginWords({ keep }) {
  const { confidence } = run();
  if (confidence === null) return "";
  const other = keep === 1 ? "lose no sample, or " : "";
  return ` A plan has to ${other}be so far above it that this is no chance, with ${sure(confidence)} confidence.`;
}

/** What the log of a point tells, by what is in it. */
function logWords({ together, log }) {
  if (log.every(({ site }) => site === "*")) {
    return "What was tried for all sites at once, and the accuracy each gave on the search split.";
  }
  return together
    ? "All sites were decided together, for the least energy. This is what each got, the plan's accuracy on the search "
      + "split, and, where it was tried, what one bit fewer would give there with all else as it is."
    : "What was tried at each site, in order, and the accuracy on the search split with all earlier decisions in "
      + "place.";
}

function sure(confidence) {
  return `${Number((100 * confidence).toPrecision(12))} %`;
}

function legendEntry(text, ...marks) {
  return h("li", icon(marks), text);
}

function cross(x, y) {
  return s("path", { class: "failed", d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` });
}

function siteName(site) {
  return site === "*" ? "all sites together" : site;
}

function card(point, decision, axes) {
  const blocking = point.blockers.includes(decision.site);
  return h("article", { class: blocking ? "card blocking" : "card", "data-site": decision.site },
    h("h3", h("b", breakable(siteName(decision.site))), h("span", bitsText(decision.format))),
    pictured((width) => trialsPicture(point, decision, axes, width)),
    h("p", because(point, decision), blocking && " It is in the way of the floor."));
}

function bitsText(format) {
  const { bits, family } = report.formats[format];
  return family === "fixed" && !byFamily ? `${bits} bit${bits === 1 ? "" : "s"}` : format;
}

/** An accuracy as it is known: whole, or at least or at most so much where fewer samples were enough to be certain. */
function accuracyText({ bound, accuracy }) {
  return bound ? `${bound} ${percent(accuracy)}` : percent(accuracy);
}

/** Why a site has its format, in one sentence: what the next fewer bits gave. */
function because(point, { format, trials }) {
  const bits = (trial) => report.formats[trial.format].bits;
  const foreign = (trial) => report.formats[trial.format].family !== report.formats[format].family;
  const narrower = trials.filter((trial) => bits(trial) + !foreign(trial) <= bits({ format }));
  const failing = narrower.filter(({ holds }) => !holds)
    .sort((one, other) => foreign(one) - foreign(other) || bits(other) - bits(one))[0];
  const gives = point.together ? "would give" : "gave";
  if (failing) return `${bitsText(failing.format)} ${gives} ${accuracyText(failing)}${gap(point, failing)}.`;
  const own = trials.find((trial) => trial.format === format);
  if (own && !own.holds) return `Even ${bitsText(format)} gave ${accuracyText(own)}${gap(point, own)}.`;
  if (trials.length === 0) return "Nothing was tried here.";
  if (narrower.length > 0) return `${bitsText(narrower[0].format)} would hold the floor too, but promised no saving.`;
  if (bits({ format }) === run().least_bits) return "No fewer bits were searched.";
  if (point.together) return "One bit fewer was not tried here: other changes promised more.";
  if (point.stopped) return "The search was stopped before fewer bits were tried.";
  return "The floor holds down to the fewest bits tried.";
}

/** By how much a trial misses the floor; with a confidence, one may be above it and yet not surely so. */
function gap({ needed }, { accuracy, bound }) {
  const points = 100 * (needed - accuracy);
  if (points <= 0) return ", which is not surely above the floor";
  if (points < 0.005) return ", just below the floor";
  return `, ${bound ? "at least " : ""}${points.toFixed(2)} points below the floor`;
}

/** For a site of the selected plan, the sentence of its decision; none where that was about the other operands. */
function verdict(point, { site, format }) {
  const decision = point.log.find((each) => each.site === site) ?? point.log.find((each) => each.site === "*");
  const [one, other] = [format, decision?.format ?? format].map((each) => report.formats[each]);
  return decision && one.family === other.family && one.bits === other.bits
    && `Why ${site} has ${bitsText(decision.format)}: ${because(point, decision)}`;
}

/** What all pictures of one log share: the formats tried, of each family widest first, and the accuracies around it. */
function axesOf({ log, needed }) {
  const trials = log.flatMap((decision) => decision.trials);
  const [kin, bits] = [(format) => seriesOf(report.formats[format].family), (format) => report.formats[format].bits];
  const formats = [...new Set(trials.map(({ format }) => format))]
    .sort((one, other) => kin(one) - kin(other) || bits(other) - bits(one));
  const accuracies = [needed, ...trials.map(({ accuracy }) => accuracy)];
  const top = Math.max(...accuracies);
  return { formats, top, least: Math.max(Math.min(...accuracies), needed - Math.max(0.005, top - needed)) };
}

/** The bits under the axis, or other families' names; of too many some are left out, but not the one taken. */
function bitLabels(formats, taken, x, width) {
  const labels = formats.map((format, index) => {
    const { bits, family } = report.formats[format];
    const text = family === "fixed" ? String(bits) : format;
    const half = Math.max(13, textWidth(text, "600 11px")) / 2;
    return { format, text, half, left: Math.min(Math.max(half - 9, x(index)), width + 9 - half) };
  });
  const kept = labels.filter(({ format }) => format === taken);
  for (const label of labels) {
    if (kept.every(({ left, half }) => Math.abs(left - label.left) >= half + label.half + 2)) kept.push(label);
  }
  return kept.map(({ format, text, left }) => s("text", { class: format === taken ? "small strong" : "small", x: left,
    y: 91, "text-anchor": "middle" }, text));
}

/** One site's trials; an accuracy far below the floor stands at the lower edge. */
function trialsPicture(point, { format, trials }, { formats, top, least }, width) {
  const y = scale([least, top], [64, 16]);
  const x = scale([0, formats.length - 1], [9, width - 9]);
  const place = (trial) => [x(formats.indexOf(trial.format)), y(Math.max(least, trial.accuracy))];
  const lines = Object.values(Object.groupBy(trials, (trial) => report.formats[trial.format].family));
  const line = (some) => `M${some.map((trial) => place(trial).join(" ")).join("L")}`;
  const words = (trial) => [bitsText(trial.format), accuracyText(trial), trial.holds ? "holds" : "fails"].join(" ");
  return picture(width, 96, { role: "img", "aria-label": `Tried: ${trials.map(words).join(", ")}` },
    s("line", { class: "floorline", x1: 0, x2: width, y1: y(point.needed), y2: y(point.needed) }),
    lines.map((some) => s("path", { class: "path", d: line(some) })),
    bitLabels(formats, format, x, width),
    trials.map((trial) => trialMark(trial, ...place(trial), trial.format === format)));
}

function trialMark(trial, across, down, taken) {
  const { total } = selected().search;
  const all = `of ${count(total)} samples`;
  const told = trial.seen < total ? `certain after ${count(trial.seen)} ${all}` : all;
  const drawing = s("g",
    trial.holds ? s("circle", { class: "held", cx: across, cy: down, r: 4 }) : cross(across, down),
    taken && s("circle", { class: "taken", cx: across, cy: down, r: 7.5 }),
    trial.bound && arrow(across, down, trial.bound),
    s("circle", { class: "hit", cx: across, cy: down, r: 9 }));
  return tip(drawing, bitsText(trial.format), `${accuracyText(trial)} on the search split`,
    `${told}: ${figure(trial.lost)} lost, ${figure(trial.gained)} gained`,
    trial.holds ? "the floor holds" : "the floor fails");
}

/** From a mark to where the accuracy lies that is only known to be at most or at least so much. */
function arrow(x, y, bound) {
  const way = bound === "at most" ? 1 : -1;
  const head = `m-3 ${-3 * way}l3 ${3 * way}l3 ${-3 * way}`;
  return s("path", { class: "bounded", d: `M${x} ${y + 8.5 * way}v${5.5 * way}${head}` });
}

function trialsTable(log) {
  const rows = log.flatMap(({ site, format, trials }, index) =>
    trials.map((trial) => ({ ...trial, site, step: index + 1, taken: trial.format === format })));
  return table({
    key: "trial", file: fileName("decisions"), title: "Every format tried, in order", rows,
    current: ({ taken }) => taken,
    columns: [
      { name: "site", title: "site", kind: "text", text: ({ site }) => site, node: ({ site }) => siteName(site) },
      number("step", "step", ({ step }) => step, String),
      { name: "format", title: "tried", kind: "text", text: ({ format }) => format },
      { ...number("accuracy", "accuracy, search split", ({ accuracy }) => accuracy), text: accuracyText },
      { name: "bound", shown: false, value: ({ bound }) => bound },
      number("kept", "kept", ({ kept }) => kept, ratio),
      number("seen", "samples seen", ({ seen }) => seen, count),
      number("lost", "lost", ({ lost }) => lost, figure),
      number("gained", "gained", ({ gained }) => gained, figure),
      { name: "holds", title: "floor", kind: "text", text: ({ holds }) => holds ? "holds" : "fails" },
      { name: "taken", title: "taken", kind: "text", text: ({ taken }) => taken ? "yes" : "" },
    ],
  });
}
