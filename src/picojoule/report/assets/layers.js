// The layers of the selected plan: their bits and their energy by part, as a picture and as a table.

const PARTS = [["compute", "compute"], ["weights", "weights"], ["activations", "activations"], ["dram", "DRAM"]];
const KINDS = [["inputs", "activations"], ["weights", "weights"]]; // what is stored, and the hue of its energy

function drawLayers() {
  const point = selected();
  const eight = run().points.find(({ label }) => label === "fixed8");
  const compared = eight !== point && eight?.energy_pj && point.energy_pj !== null ? eight : null;
  drawn(slot("layers", "picture"), (width) => layersPicture(point, compared, width));
  const icon = (...drawing) => s("svg", { viewBox: "0 0 12 12", "aria-hidden": "true" }, drawing);
  const patch = (hue, title) => h("span", null, icon(s("rect", { class: hue, width: 12, height: 12, rx: 2 })), title);
  fill(slot("layers", "legend"),
    point.energy_pj !== null && patch("compute", "compute"), patch("weights", "weights"), patch("activations", "inputs and activations"),
    point.energy_pj !== null && patch("dram", "DRAM"),
    compared && h("span", null, icon(s("line", { class: "tick8", x1: 6, x2: 6, y1: -1, y2: 13 })), "the layer with 8 bits everywhere"));
  fill(slot("layers", "table"), layersTable(point));
}

function bitsOf(site) {
  return site === null ? 32 : report.formats[site.format].bits;
}

/** The widest that the bits' bars must reach: 16, or 32 where something is in float32. */
function widest(layers) {
  return Math.max(16, ...layers.flatMap((layer) => KINDS.map(([kind]) => bitsOf(layer[kind]))));
}

function layersPicture(point, eight, width) {
  const layers = point.layers;
  const wide = width > 560;
  const names = Math.ceil(Math.max(...layers.map(({ layer }) => textWidth(layer, "600 12px"))));
  const left = wide ? Math.min(names, width * 0.24) + 16 : 0;
  const priced = point.energy_pj !== null;
  const bits = { left, right: priced ? left + (width - left) * 0.34 : width };
  const energies = { left: bits.right + 14, right: width - 60 };
  const [head, step, bar] = wide ? [20, 30, 0] : [20, 46, 16];
  const longest = Math.max(...layers.map((layer) => Math.max(layer.energy_pj ?? 0, eightOf(eight, layer))));
  const x = scale([0, longest || 1], [energies.left, energies.right]);
  return picture(width, head + layers.length * step + 2, { role: "img", "aria-label": "Bits and energy of each layer; the table below has the figures" },
    s("text", { x: bits.left, y: 12 }, "bits"), priced && s("text", { x: energies.left, y: 12 }, "energy per inference"),
    layers.map((layer, index) => {
      const top = head + index * step;
      return tip(s("g", { class: `row${layer.layer === state.layer ? " picked" : ""}`, click: () => pickLayer(layer.layer) },
        s("rect", { class: "back", x: -6, y: top, width: width + 12, height: step, rx: 5 }),
        s("text", { class: "strong", x: 0, y: wide ? top + 19 : top + 14 }, fitted(layer.layer, wide ? left - 16 : width)),
        bitBars(layer, bits, top + bar + 4, widest(layers)),
        priced && energyBar(layer, eightOf(eight, layer), x, top + bar + 6, width)), ...told(layer));
    }));
}

function eightOf(eight, { layer }) {
  return eight?.layers.find((other) => other.layer === layer)?.energy_pj ?? 0;
}

/** Two bars, inputs above weights, each with its number of bits at its end. */
function bitBars(layer, { left, right }, top, most) {
  const x = scale([0, most], [left, right - 22]);
  return KINDS.map(([kind, hue], index) => {
    const [bits, y] = [bitsOf(layer[kind]), top + index * 11];
    return [
      s("rect", { class: "track", x: left, y: y + 1, width: x(most) - left, height: 8, rx: 2 }),
      s("rect", { class: hue, x: left, y: y + 1, width: x(bits) - left, height: 8, rx: 2 }),
      s("text", { class: "small", x: x(bits) + 4, y: y + 9 }, bits),
    ];
  });
}

function energyBar(layer, eight, x, top, width) {
  let start = 0;
  return [
    PARTS.map(([part]) => {
      const from = x(start);
      start += layer[`${part}_pj`];
      return s("rect", { class: part, x: from, y: top, width: Math.max(0, x(start) - from - 0.75), height: 17 });
    }),
    eight > 0 && s("line", { class: "tick8", x1: x(eight), x2: x(eight), y1: top - 2, y2: top + 19 }),
    s("text", { x: width, y: top + 13, "text-anchor": "end" }, energy(layer.energy_pj)),
  ];
}

function told(layer) {
  const site = ([kind]) => layer[kind] === null ? `${kind}: float32`
    : `${kind}: ${layer[kind].format} ${range(layer[kind])}, ${percent(layer[kind].zeros, 0)} zeros`;
  const parts = PARTS.map(([part, title]) => `${title} ${energy(layer[`${part}_pj`])}`).join(", ");
  return [layer.layer, ...KINDS.map(site), layer.energy_pj === null ? "" : `${energy(layer.energy_pj)}: ${parts}`];
}

function layersTable(point) {
  const rows = point.layers;
  const total = (of) => rows.every((row) => of(row) !== null) ? sum(rows.map(of)) : null;
  const all = { layer: "all", macs: total(({ macs }) => macs), energy_pj: point.energy_pj };
  for (const [part] of PARTS) all[`${part}_pj`] = total((row) => row[`${part}_pj`]);
  const priced = (name, title) => ({ name, title, group: "energy", leads: name === "compute_pj", text: (row) => energy(row[name]),
    value: (row) => row[name] });
  return table({
    key: "layer", file: fileName("layers"), title: `Every layer at ${pointName(point)}`, rows, foot: all,
    current: ({ layer }) => layer === state.layer,
    columns: [
      { name: "layer", title: "layer", kind: "text", text: ({ layer }) => layer, node: layerButton },
      { name: "macs", title: "MACs", text: ({ macs }) => count(macs), value: ({ macs }) => macs },
      ...KINDS.flatMap(([kind]) => siteColumns(kind)),
      ...PARTS.map(([part, title]) => priced(`${part}_pj`, title)),
      priced("energy_pj", "all"),
    ],
  });

  function layerButton({ layer }) {
    if (layer === "all") return "all";
    return button(layer, () => pickLayer(layer), { class: "link", "data-key": `layer-${layer}`, "aria-label": `Show the values of ${layer}` });
  }
}

/** Format, range and zeros of a layer's inputs or weights; the row of totals has none. */
function siteColumns(kind) {
  const of = (give) => (row) => row[kind] === undefined ? "" : row[kind] === null ? "" : give(row[kind]);
  return [
    { name: `${kind}_format`, shown: false, value: (row) => row[kind]?.format ?? "float32" },
    { name: `${kind}_bits`, title: "bits", group: kind, leads: true, text: (row) => row[kind] === undefined ? "" : bitsOf(row[kind]) },
    { name: `${kind}_range`, title: "range", group: kind, saved: false, text: of((site) => rounds(site) ? range(site) : ""),
      value: (row) => row[kind] ? Math.max(...row[kind].exponents) : null },
    { name: `${kind}_exponent_low`, shown: false, value: of((site) => Math.min(...site.exponents)) },
    { name: `${kind}_exponent_high`, shown: false, value: of((site) => Math.max(...site.exponents)) },
    { name: `${kind}_signed`, shown: false, value: of((site) => String(site.signed)) },
    { name: `${kind}_zeros`, title: "zeros", group: kind, text: of((site) => percent(site.zeros, 0)), value: of((site) => site.zeros) },
  ];
}

/** Whether a site's format rounds at all. */
function rounds(site) {
  return site.format !== "float32";
}

/** Select the layer whose values are shown. */
function pickLayer(layer) {
  state.layer = layer;
  drawLayers();
  drawValues();
  byId("values").scrollIntoView({ block: "nearest" });
}
