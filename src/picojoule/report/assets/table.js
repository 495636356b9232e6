// Tables, sorted by their headings and saved as CSV. A column is {name, title, text(row)} and, where they differ from
// the text, value(row) to sort by and save, and node(row) to show. `group` puts neighbours under one heading and marks
// its first by `leads`; `kind` is "text" or "wrap" for words, nothing for numbers; `saved: false` keeps a column out of
// the file, `shown: false` off the page.

const orders = new Map(); // by which column each table is sorted, so that one made anew keeps its order

/** A titled table: `rows` in the order of the data, `foot` one more that stays last; `current(row)` marks rows. */
function table(given) {
  const { key, title, file, rows, foot, current } = given;
  const columns = given.columns.filter(({ shown }) => shown !== false);
  const order = orders.get(key);
  const sorted = order ? [...rows].sort(by(columns.find(({ name }) => name === order.name), order.down)) : rows;
  const cells = (row) => columns.map((column, index) => cell(column, row, index));
  const save = () => download(`picojoule-${file}.csv`, "text/csv", csv(given.columns, rows));
  const sort = (column) => {
    turn(key, column);
    const again = table(given);
    frame.replaceWith(again);
    again.querySelector(`[data-key="${CSS.escape(`${key}-${column.name}`)}"]`).focus();
  };
  const frame = h("div", { class: "frame" },
    h("div", { class: "head" },
      h("p", { id: `${key}-name` }, title),
      button("CSV", save, { class: "quiet screen", "data-key": `${key}-csv`, "aria-label": `CSV: ${title}` })),
    h("div", { class: "scroll" },
      h("table", { id: key, "aria-labelledby": `${key}-name` },
        h("thead", groups(columns), h("tr", columns.map((column, index) => heading(key, column, index, sort)))),
        h("tbody", sorted.map((row) => h("tr", { "aria-current": current?.(row) && "true" }, cells(row)))),
        foot && h("tfoot", h("tr", cells(foot))))));
  return frame;
}

/** A column of numbers, saved as they are. */
function number(name, title, of, text) {
  return { name, title, value: of, text: (row) => text(of(row)) };
}

/** The next order: numbers from the greatest and words from A, then the other way round, then as the data has them. */
function turn(key, { name, kind }) {
  const order = orders.get(key);
  const first = !kind;
  if (order?.name !== name) orders.set(key, { name, down: first });
  else if (order.down === first) orders.set(key, { name, down: !first });
  else orders.delete(key);
}

function heading(key, column, index, sort) {
  const order = orders.get(key);
  const sorting = order?.name !== column.name ? "none" : order.down ? "descending" : "ascending";
  const told = column.group && `${column.group}: ${column.title}`;
  const current = column.current && "true";
  return h("th", { scope: "col", class: classes(column, index), "aria-sort": sorting, "aria-current": current },
    button(column.title, () => sort(column), { "data-key": `${key}-${column.name}`, "aria-label": told }));
}

/** The row of group headings above, where columns have groups. */
function groups(columns) {
  if (!columns.some(({ group }) => group)) return null;
  const spans = [];
  for (const { group } of columns) {
    if (group && group === spans.at(-1)?.group) spans.at(-1).width += 1;
    else spans.push({ group, width: 1 });
  }
  return h("tr", spans.map(({ group, width }) =>
    group ? h("th", { scope: "colgroup", colspan: width, class: "group" }, group) : h("td", { colspan: width })));
}

function cell(column, row, index) {
  const attributes = { class: classes(column, index), "aria-current": column.current && "true" };
  if (index === 0) attributes.scope = "row";
  return h(index === 0 ? "th" : "td", attributes, column.node ? column.node(row) : column.text(row));
}

function classes(column, index) {
  const { kind, leads } = column;
  const found = [index === 0 && "first", kind && "text", kind === "wrap" && "wrap", leads && "group"];
  return found.filter(Boolean).join(" ") || null;
}

function valueOf(column, row) {
  return column.value ? column.value(row) : column.text(row);
}

/** A comparison of rows; what has no value stands last either way. */
function by(column, down) {
  return (one, other) => {
    const [a, b] = [valueOf(column, one), valueOf(column, other)];
    const missing = (a ?? "") === "" || (b ?? "") === "";
    if (missing) return ((a ?? "") === "") - ((b ?? "") === "");
    const found = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
    return down ? -found : found;
  };
}

/** RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe before it. */
function csv(columns, rows) {
  const saved = columns.filter((column) => column.saved !== false);
  const field = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [saved.map(({ name }) => name), ...rows.map((row) => saved.map((column) => valueOf(column, row)))];
  return lines.map((line) => line.map(field).join(",")).join("\r\n") + "\r\n";
}
