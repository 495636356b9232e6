// Operating points as tables: of one run, of several side by side with their bits, and under every platform.

function drawRuns() {
  fill(slot("runs", "table"), pointsTable([...report.runs.keys()]));
  fill(slot("bits", "legend"), KINDS.map(([kind, hue]) => patch(hue, kind)));
  fill(slot("bits", "pictures"), report.runs.map((each, index) => {
    const point = each.points[state.points[index]];
    return h("div", { "data-run": index },
      h("h3", runMark(index), each.name),
      h("p", { class: "says" }, `${pointName(point)}, ${energy(point.energy_pj)}`),
      pictured((width) => bitsPicture(point, width)));
  }));
}

/** The points of some runs; of several runs only those with a floor. */
function pointsTable(runs) {
  const rows = runs.flatMap((index) => report.runs[index].points
    .filter((point) => !several || !point.baseline)
    .map((point) => ({ point, index, run: report.runs[index] })));
  const ofRun = (name, title, text, more) => ({ name, title, text, kind: "text", shown: several, ...more });
  const alone = (column) => ({ ...column, shown: !several });
  return table({
    key: "points", file: several ? "runs" : fileName("points"), rows,
    title: several ? "Runs and floors" : "Operating points and baselines",
    current: ({ point, index }) => isSelected({ point, run: index }),
    columns: [
      ofRun("run", "run", ({ run }) => run.name, { kind: "wrap", node: ({ run, index }) => [runMark(index), run.name] }),
      { name: "keep", title: several ? "keep" : "point", kind: "text", text: labelOf, node: chooser("point") },
      { name: "floor", title: "floor", kind: "text", text: ({ point }) => floorWord(point) },
      number("energy_pj", "energy", ({ point }) => point.energy_pj, energy),
      number("of_16_bits", "of 16 bits", ({ point }) => point.of_16_bits, ratio),
      number("of_8_bits", "of 8 bits", ({ point }) => point.of_8_bits, ratio),
      alone(number("search_accuracy", "search split", ({ point }) => point.search.value, percent)),
      alone(number("search_kept", "kept", ({ point }) => point.search.kept, ratio)),
      number("report_accuracy", "report split", ({ point }) => point.report.value, percent),
      { ...number("report_low", "95 %", ({ point }) => point.report.low), text: ({ point }) => interval(point.report) },
      { name: "report_high", shown: false, value: ({ point }) => point.report.high },
      number("report_kept", "kept", ({ point }) => point.report.kept, ratio),
      alone({ name: "front", title: "best of these", kind: "text", text: ({ point }) => point.front ? "yes" : "" }),
      ofRun("strategy", "strategy", ({ run }) => run.strategy),
      ofRun("platform", "platform", ({ run }) => run.platform),
      ofRun("network", "network and data", ({ run }) => run.title, { kind: "wrap" }),
    ],
  });
}

/** Every floor on both splits: what its plan lost and gained beside the float network, and what that proves. */
function drawFloors() {
  const rows = report.runs.flatMap((run, index) =>
    run.points.filter(({ keep }) => keep !== null).map((point) => ({ point, run, index })));
  fill(slot("floors", "standing"), selected().standing.map((text) => h("p", text)));
  byId("floors").hidden = rows.length === 0; // of networks that were trained at a plan
  fill(slot("floors", "table"), table({
    key: "floor", file: several ? "floors" : `${run().name}-floors`, rows,
    title: several ? "Every floor on both splits" : `Every floor on both splits, ${confidenceWord(run())}`,
    current: ({ point, index }) => isSelected({ point, run: index }),
    columns: [
      { name: "run", title: "run", kind: "wrap", shown: several, text: ({ run }) => run.name,
        node: ({ run, index }) => [runMark(index), run.name] },
      { name: "keep", title: "keep", kind: "text", text: labelOf, node: chooser("floor") },
      { name: "confidence", title: "floors", kind: "text", shown: several, text: ({ run }) => confidenceWord(run) },
      ...splitColumns("search", ({ holds }) => holds ? "holds" : "fails"),
      ...splitColumns("report", confirmedWord),
    ],
  }));
}

function confidenceWord({ confidence }) {
  return confidence === null ? "by point estimate" : `with ${sure(confidence)} confidence`;
}

function splitColumns(split, word) {
  const confident = report.runs.some(({ confidence }) => confidence !== null);
  const samples = several ? "" : `, ${count(selected()[split].total)} samples`;
  const group = `${split} split${samples}`;
  const own = (name, title, text, more) => ({ ...number(`${split}_${name}`, title, ({ point }) => point[split][name],
    text), group, ...more });
  return [
    own("total", "samples", count, { leads: true, shown: several }),
    own("lost", "lost", figure, { leads: !several }),
    own("gained", "gained", figure),
    own("kept", "kept", ratio),
    own("proven", "surely kept", (share) => share === null ? "" : share.toFixed(4), { shown: confident }),
    { name: `${split}_floor`, title: "floor", group, kind: "text", text: ({ point }) => word(point[split], point) },
  ];
}

/** What the report split says of a floor: it may be kept there, and yet not surely. */
function confirmedWord({ holds, kept }, { keep }) {
  if (holds) return "confirmed";
  return kept === null || kept < keep ? "below" : "above, not surely";
}

const labelOf = ({ point }) => point.label;

/** A point's name as the button that selects it, in a table where it is known by this key. */
function chooser(key) {
  return ({ point, index, run }) => button(point.label, () => select(index, point), {
    class: "link", "data-key": `${key}-${index}-${point.label}`,
    "aria-label": several ? `Select ${run.name}, ${pointName(point)}` : `Select ${pointName(point)}`,
  });
}

function bitsPicture(point, width) {
  const names = point.layers.map(({ layer }) => textWidth(layer));
  const left = Math.min(Math.ceil(Math.max(...names)), width * 0.4) + 12;
  const [step, most] = [28, widest(point.layers)];
  const row = (layer, top) => [
    s("rect", { class: "hit", y: top, width, height: step }),
    s("text", { y: top + 18 }, fitted(layer.layer, left - 12)),
    bitBars(layer, { left, right: width }, top + 3, most),
  ];
  const words = point.layers.map((layer) => `${layer.layer} ${bitsOf(layer.inputs)} and ${bitsOf(layer.weights)}`);
  const label = `Bits of inputs and weights: ${words.join(", ")}`;
  return picture(width, point.layers.length * step, { role: "img", "aria-label": label },
    point.layers.map((layer, index) => tip(s("g", row(layer, index * step)), ...told(layer))));
}

function drawPlatforms() {
  const { ranking, points } = run();
  const rows = ranking.map((platform) => ({ ...platform, ranks: ranks(platform.energies) }));
  fill(slot("platforms", "order"), orderWords(ranking));
  fill(slot("platforms", "table"), table({
    key: "platform", file: fileName("platforms"), title: "Energy per inference, and its rank among the plans", rows,
    columns: [
      { name: "platform", title: "platform", kind: "text", text: ({ platform }) => platform, node: platformName },
      ...points.map((point) => ({
        ...number(`${point.label}_pj`, point.label, ({ energies }) => energies[point.label], energy),
        current: point === selected(),
        node: ({ energies, ranks }) => [energy(energies[point.label]), rank(ranks[point.label])],
      })),
    ],
  }));
}

function platformName({ platform, title, own }) {
  return h("span", { title }, platform, own && " (this run's)");
}

function rank(place) {
  return place && h("span", { class: "rank" }, h("span", { class: "unseen" }, "rank "), place);
}

/** The place of each known energy among them, from 1; equal ones share theirs. */
function ranks(energies) {
  const known = Object.entries(energies).filter(([, pj]) => pj !== null);
  return Object.fromEntries(known.map(([label, pj]) => [label, 1 + known.filter(([, other]) => other < pj).length]));
}

/** Where another platform orders the plans differently, one sentence each with a pair that changes places. */
function orderWords(ranking) {
  const own = ranking.find((platform) => platform.own);
  if (!own) return "";
  const found = ranking.map(({ platform, energies }) => {
    const [less, more] = exchanged(own.energies, energies) ?? [];
    const differs = `On ${platform} the order differs`;
    return more && `${differs}: ${more} takes less than ${less} there, and more on ${own.platform}.`;
  }).filter(Boolean);
  return found.length ? found.join(" ") : "Every platform orders these plans alike.";
}

/** Two plans whose order is one way here and the other way there. */
function exchanged(here, there) {
  const labels = Object.keys(here).filter((label) => here[label] !== null && (there[label] ?? null) !== null);
  for (const one of labels) {
    const other = labels.find((label) => here[one] < here[label] && there[one] > there[label]);
    if (other !== undefined) return [one, other].map(nameOf);
  }
  return null;
}

function nameOf(label) {
  return pointName(run().points.find((point) => point.label === label));
}
