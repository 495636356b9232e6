// The values of one layer's inputs and weights: how they are spread in float, and the grid that they are rounded to.

const VIEW = { height: 150, top: 14, axis: 104, rug: 118 }; // pixels from the top

function drawValues() {
  const point = selected();
  const layer = point.layers.find((each) => each.layer === state.layer) ?? point.layers[0];
  const options = point.layers.map((each) => h("option", { value: each.layer, selected: each === layer }, each.layer));
  const pick = ({ target }) => pickLayer(target.value);
  const choice = h("select", { id: "layer-choice", "data-key": "layer-choice", change: pick }, options);
  const sites = KINDS.map(([kind]) => layer[kind] ? siteValues(kind, layer[kind]) : h("p", `${kind}: left in float32`));
  const why = KINDS.map(([kind]) => layer[kind] && verdict(point, layer[kind]));
  fill(slot("layers", "values"), h("div", { class: "values", id: "values" },
    h("div", { class: "head" }, h("label", "Values of", choice, h("span", { class: "paper" }, layer.layer))),
    h("div", { class: "columns" }, sites),
    why.map((text) => text && h("p", text))));
}

function siteValues(kind, site) {
  const histogram = run().histograms[site.site];
  const title = rounds(site) ? `${kind}: ${site.format}, ${range(site)}` : `${kind}: float32`;
  if (!histogram) return h("div", h("h3", title), h("p", "The run kept no histogram of these values."));
  const draw = (width) => histogramPicture(histogram, site, width);
  return h("div", h("h3", title), pictured(draw, { class: "histogram", "data-site": site.site }),
    h("p", spread(histogram, site)));
}

/**
 * The ends of a site's range at an exponent, the widest by default. Blocks whose scales reach anywhere have none, nor has
 * a codebook: its values go to the nearest number from however far.
 */
function ends(site, exponent = Math.max(...site.exponents)) {
  const limits = report.formats[site.format].limits[site.signed ? "signed" : "unsigned"];
  return limits ? limits.map((limit) => limit * 2 ** exponent) : [-Infinity, Infinity];
}

/** A codebook's numbers, or the grid's members at the site's widest range; null where they are too many to list. */
function members(site) {
  const grid = report.formats[site.format][site.signed ? "signed" : "unsigned"];
  return site.members ?? grid?.map((member) => member * 2 ** Math.max(...site.exponents));
}

/** What is in view: all values, and the range's ends where they do not lie so far out that the values would shrink. */
function view({ low, high }, site) {
  const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const near = rounds(site) ? ends(site).filter((end) => Math.abs(end) <= 2.5 * reach) : [];
  const [from, to] = [Math.min(low, ...near), Math.max(high, ...near)];
  const spare = (to - from || reach) * 0.04;
  return [from - spare, to + spare];
}

function histogramPicture(histogram, site, width) {
  const [from, to] = view(histogram, site);
  const x = scale([from, to], [6, width - 6]);
  const most = Math.max(histogram.zeros, ...histogram.counts, 1);
  const y = scale([0, Math.log1p(most)], [VIEW.axis, VIEW.top]);
  const words = `Values of ${site.site}. ${spread(histogram, site)}`;
  return picture(width, VIEW.height, { role: "img", "aria-label": words },
    rounds(site) && beyond(x, site, from, to),
    bars(histogram, site, x, y),
    histogram.zeros > 0 && column("zero", x(0) - 2.5, 5, y(Math.log1p(histogram.zeros))),
    s("line", { class: "axis", x1: 0, x2: width, y1: VIEW.axis, y2: VIEW.axis }),
    rounds(site) && grid(x, site, from, to, width),
    valueTicks(x, width));
}

/** A bar that stands on the axis. */
function column(kind, x, width, y) {
  return s("rect", { class: kind, x, y, width, height: VIEW.axis - y });
}

function valueTicks(x, width) {
  const ticks = x.ticks(Math.max(2, Math.floor(width / 70)));
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  const digits = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
  const place = { class: "small", y: VIEW.height - 6, "text-anchor": "middle" };
  return ticks.map((tick) => s("text", { ...place, x: x(tick) }, signed(tick, digits)));
}

function signed(value, digits) {
  return value.toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1").replace("-", "−");
}

function bars({ low, high, counts }, site, x, y) {
  const size = (high - low) / counts.length;
  const [least, most] = rounds(site) ? ends(site) : [-Infinity, Infinity];
  return counts.map((number, index) => {
    const left = low + index * size;
    const outside = left + size / 2 < least || left + size / 2 > most;
    const [start, width] = size > 0 ? [x(left), x(left + size) - x(left)] : [x(low) - 3, 6]; // all values are one
    const kind = outside ? "bin outside" : "bin";
    return number > 0 && column(kind, start + 0.25, Math.max(0.5, width - 0.5), y(Math.log1p(number)));
  });
}

/** The parts of the view that saturate. */
function beyond(x, site, from, to) {
  const [least, most] = ends(site);
  const [y, height] = [VIEW.top - 8, VIEW.axis - VIEW.top + 8];
  return [[from, Math.min(least, to)], [Math.max(most, from), to]].map(([start, end]) =>
    end > start && s("rect", { class: "beyond", x: x(start), y, width: x(end) - x(start), height }));
}

/** The grid's members as strokes under the axis, faint ones above where there are few, and the range's ends. */
function grid(x, site, from, to, width) {
  const inside = (value) => value >= from && value <= to;
  const stroke = (kind, y1, y2) => (value) => s("line", { class: kind, x1: x(value), x2: x(value), y1, y2 });
  const found = (members(site) ?? []).filter(inside);
  const widest = ends(site).filter(inside);
  const narrowest = ends(site, Math.min(...site.exponents));
  const inner = narrowest.filter((end) => end !== 0 && inside(end) && !widest.includes(end));
  return [
    found.length <= width / 14 && found.map(stroke("faint", VIEW.top, VIEW.axis)),
    found.map(stroke(found.length > width / 4 ? "member dense" : "member", VIEW.axis, VIEW.rug)),
    widest.map(stroke("bound", VIEW.top - 8, VIEW.rug + 4)),
    inner.map(stroke("bound narrowest", VIEW.top - 8, VIEW.rug + 4)),
  ];
}

/** What a histogram says, in words. */
function spread(histogram, site) {
  const { low, high, counts, zeros } = histogram;
  const all = sum(counts) + zeros;
  if (all === 0) return "No values.";
  const extent = `Float values from ${low.toPrecision(3)} to ${high.toPrecision(3)}`.replaceAll("-", "−");
  const exact = zeros > 0 ? `${percent(zeros / all, 1)} of them exactly zero (the open bar)` : "none exactly zero";
  if (!rounds(site)) return `${extent}, ${exact}.`;
  const rounded = `${percent(site.zeros, 1)} are zero once rounded.`;
  const words = site.members ? [tableWords(site)] : [clipping(histogram, site, all), gridWords(histogram, site)];
  return [`${extent}, ${exact};`, rounded, ...words].join(" ");
}

function clipping(histogram, site, all) {
  const [low, high] = [Math.min(...site.exponents), Math.max(...site.exponents)];
  if (low !== high) {
    return `The ${site.exponents.length} channels have ranges of their own, ${power(low)} to ${power(high)}: `
      + "the grid is the widest one's, dashes mark the narrowest.";
  }
  const share = outside(histogram, site) / all;
  if (share === 0) return "None lie beyond the range.";
  return `About ${share < 0.0001 ? "0.01 % or less" : percent(share)} lie beyond the range and saturate.`;
}

/** How many values lie beyond the range, taking those of a bin as evenly spread in it. */
function outside({ low, high, counts }, site) {
  const [least, most] = ends(site);
  const size = (high - low) / counts.length;
  if (size === 0) return low < least || low > most ? sum(counts) : 0;
  return sum(counts.map((number, index) => {
    const left = low + index * size;
    const inside = Math.max(0, Math.min(left + size, most) - Math.max(left, least));
    return number * Math.max(0, 1 - inside / size);
  }));
}

function tableWords({ members: { length }, retrained }) {
  if (length === 1) return "The stroke is the one number of the table.";
  return retrained ? `The strokes are the ${length} numbers of the table as retrained; each weight kept the one it had.`
    : `The strokes are the ${length} numbers of the table; each value goes to the nearest.`;
}

function gridWords(histogram, site) {
  const found = members(site);
  const [from, to] = view(histogram, site);
  const [, most] = ends(site, 0);
  if (most === Infinity) return "Each block of these values has a scale of its own, and so a grid of its own.";
  const seen = ends(site).some((end) => end !== 0 && end >= from && end <= to);
  const fine = `The ${bitsOf(site)}-bit grid is too fine to draw.`;
  const words = found ? `The strokes are the ${found.length} numbers of the grid.` : fine;
  const end = `${most === 1 ? "" : `${most} · `}${power(Math.max(...site.exponents))}`;
  return seen ? words : `${words} The range ends out of sight, at ${end}.`;
}
