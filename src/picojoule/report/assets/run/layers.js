// The layers of the selected plan: their bits and their energy by part, as a picture and as a table.

const PARTS = [["compute", "compute"], ["weights", "weights"], ["activations", "activations"], ["dram", "DRAM"]];
const KINDS = [["inputs", "activations"], ["weights", "weights"]]; // what is stored, and the hue of its energy

function drawLayers() {
  const point = selected();
  const eight = run().points.find(({ label }) => label === "fixed8");
  const compared = eight !== point && eight?.energy_pj && point.energy_pj !== null ? eight : null;
  const tick = icon(s("line", { class: "tick8", x1: 6, x2: 6, y1: -1, y2: 13 }));
  drawn(slot("layers", "picture"), (width) => layersPicture(point, compared, width));
  fill(slot("layers", "legend"),
    point.energy_pj !== null && patch("compute", "compute"),
    patch("weights", "weights"),
    patch("activations", "inputs and activations"),
    point.energy_pj !== null && patch("dram", "DRAM"),
    compared && h("span", tick, "the layer with 8 bits everywhere"));
  fill(slot("layers", "table"), layersTable(point));
}

/** A line of a legend: a hue and what it stands for. */
function patch(hue, title) {
  return h("span", icon(s("rect", { class: hue, width: 12, height: 12, rx: 2 })), title);
}

function bitsOf(site) {
  return site === null ? 32 : report.formats[site.format].bits;
}

/** The widest that the bits' bars must reach: 16, or 32 where something is in float32. */
function widest(layers) {
  return Math.max(16, ...layers.flatMap((layer) => KINDS.map(([kind]) => bitsOf(layer[kind]))));
}

function layersPicture(point, eight, width) {
  const { layers } = point;
  const wide = width > 560; // a name stands beside its bars, else above them
  const names = Math.ceil(Math.max(...layers.map(({ layer }) => textWidth(layer, "600 12px"))));
  const left = wide ? Math.min(names, width * 0.24) + 16 : 0;
  const priced = point.energy_pj !== null;
  const bits = { left, right: priced ? left + (width - left) * 0.34 : width };
  const [head, step, bar] = wide ? [20, 30, 0] : [20, 46, 16];
  const longest = Math.max(...layers.map((layer) => Math.max(layer.energy_pj ?? 0, eightOf(eight, layer))));
  const x = scale([0, longest || 1], [bits.right + 14, width - 60]);
  const row = (layer, top) => [
    s("rect", { class: "back", x: -6, y: top, width: width + 12, height: step, rx: 5 }),
    s("text", { class: "strong", y: top + (wide ? 19 : 14) }, fitted(layer.layer, wide ? left - 16 : width)),
    bitBars(layer, bits, top + bar + 4, widest(layers)),
    priced && energyBar(layer, eightOf(eight, layer), x, top + bar + 6, width),
  ];
  const words = "Bits and energy of each layer; the table below has the figures";
  return picture(width, head + layers.length * step + 2, { role: "img", "aria-label": words },
    s("text", { x: bits.left, y: 12 }, "bits"),
    priced && s("text", { x: x(0), y: 12 }, "energy per inference"),
    layers.map((layer, index) => {
      const kind = layer.layer === state.layer ? "row picked" : "row";
      const drawing = s("g", { class: kind, click: () => pickLayer(layer.layer) }, row(layer, head + index * step));
      return tip(drawing, ...told(layer));
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
  const shown = (row) => row === all ? "all" : button(row.layer, () => pickLayer(row.layer), { class: "link",
    "data-key": `layer-${row.layer}`, "aria-label": `Show the values of ${row.layer}` });
  const priced = (name, title, leads = false) =>
    ({ ...number(name, title, (row) => row[name], energy), group: "energy", leads });
  return table({
    key: "layer", file: fileName("layers"), title: `Every layer at ${pointName(point)}`, rows, foot: all,
    current: ({ layer }) => layer === state.layer,
    columns: [
      { name: "layer", title: "layer", kind: "text", text: ({ layer }) => layer, node: shown },
      number("macs", "MACs", ({ macs }) => macs, count),
      ...KINDS.flatMap(([kind]) => siteColumns(kind)),
      ...PARTS.map(([part, title], index) => priced(`${part}_pj`, title, index === 0)),
      priced("energy_pj", "all"),
    ],
  });
}

/** Format, range and zeros of a layer's inputs or weights; in float32 and in the row of totals there is little. */
function siteColumns(kind) {
  const of = (give) => (row) => row[kind] ? give(row[kind]) : "";
  const saved = (name, give) => ({ name: `${kind}_${name}`, shown: false, value: of(give) });
  const shown = (name, text, more) => ({ name: `${kind}_${name}`, title: name, group: kind, text, ...more });
  const last = of((site) => Math.max(...site.exponents));
  return [
    { name: `${kind}_format`, shown: false, value: (row) => row[kind]?.format ?? "float32" },
    shown("bits", (row) => row[kind] === undefined ? "" : bitsOf(row[kind]), { leads: true }),
    shown("range", of(range), { value: last, saved: false, node: of(rangeCell) }),
    saved("exponent_low", (site) => Math.min(...site.exponents)),
    saved("exponent_high", (site) => Math.max(...site.exponents)),
    saved("signed", (site) => String(site.signed)),
    shown("zeros", of((site) => percent(site.zeros, 0)), { value: of((site) => site.zeros) }),
  ];
}

/** A range; that of a codebook, a count and two ends, takes two lines, or the table is wider than the page. */
function rangeCell(site) {
  const [first, last] = range(site).split(" to ");
  return site.members ? [first, h("br"), ` to ${last}`] : range(site);
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
