// Several runs side by side, and one run's plans under every platform.

function drawRuns() {
  fill(slot("runs", "table"), pointsTable(report.runs.keys().toArray()));
  fill(slot("bits", "pictures"), report.runs.map((each, index) => {
    const point = each.points[state.points[index]];
    const holder = h("div");
    queueMicrotask(() => drawn(holder, (width) => bitsPicture(point, width)));
    return h("div", { "data-run": index },
      h("h3", null, mark(index), each.name),
      h("p", { class: "says" }, `${pointName(point)}, ${energy(point.energy_pj)}`), holder);
  }));
}

function bitsPicture(point, width) {
  const left = Math.min(Math.ceil(Math.max(...point.layers.map(({ layer }) => textWidth(layer)))), width * 0.4) + 12;
  const [step, most] = [28, widest(point.layers)];
  return picture(width, point.layers.length * step, { role: "img", "aria-label": `Bits of inputs and weights: ${bitsWords(point)}` },
    point.layers.map((layer, index) => tip(s("g", null,
      s("rect", { class: "hit", x: 0, y: index * step, width, height: step }),
      s("text", { x: 0, y: index * step + 18 }, fitted(layer.layer, left - 12)),
      bitBars(layer, { left, right: width }, index * step + 3, most)), ...told(layer))));
}

function bitsWords(point) {
  return point.layers.map((layer) => `${layer.layer} ${bitsOf(layer.inputs)} and ${bitsOf(layer.weights)}`).join(", ");
}

function drawPlatforms() {
  const { ranking, points } = run();
  const rows = ranking.map((platform) => ({ ...platform, ranks: ranks(platform.energies) }));
  fill(slot("platforms", "order"), orderWords(ranking));
  fill(slot("platforms", "table"), table({
    key: "platform", file: fileName("platforms"), title: "Energy per inference, and its rank among the plans", rows,
    columns: [
      { name: "platform", title: "platform", kind: "text", text: ({ platform }) => platform,
        node: ({ platform, title, own }) => h("span", { title }, platform, own && " (this run's)") },
      ...points.map((point) => ({
        name: `${point.label}_pj`, title: point.label, current: point === selected(),
        text: ({ energies }) => energy(energies[point.label]), value: ({ energies }) => energies[point.label],
        node: ({ energies, ranks }) => [energy(energies[point.label]),
          energies[point.label] !== null && h("span", { class: "rank", "aria-label": `rank ${ranks[point.label]}` }, ranks[point.label])],
      })),
    ],
  }));
}

/** The place of each energy among them, from 1; equal ones share theirs. */
function ranks(energies) {
  const known = Object.values(energies).filter((pj) => pj !== null);
  return Object.fromEntries(Object.entries(energies).map(([label, pj]) => [label, 1 + known.filter((other) => other < pj).length]));
}

/** Where another platform orders the plans differently, one sentence each with a pair that changes places. */
function orderWords(ranking) {
  const own = ranking.find((platform) => platform.own);
  if (!own) return "";
  const found = ranking.filter((platform) => platform !== own).map((platform) => {
    const swapped = exchanged(own.energies, platform.energies);
    return swapped && `On ${platform.platform} the order differs: ${swapped[1]} takes less than ${swapped[0]} there, and more on ${own.platform}.`;
  }).filter(Boolean);
  return found.length ? found.join(" ") : "Every platform orders these plans alike.";
}

function nameOf(label) {
  return pointName(run().points.find((point) => point.label === label));
}

/** Two plans whose order is one way here and the other way there. */
function exchanged(here, there) {
  const labels = Object.keys(here).filter((label) => here[label] !== null && (there[label] ?? null) !== null);
  for (const one of labels) {
    for (const other of labels) if (here[one] < here[other] && there[one] > there[other]) return [one, other].map(nameOf);
  }
  return null;
}
