"use strict";
// What the lines are worth under the pointer. The page says all else without this.
const written = {
  percent: (v) => (100 * v).toFixed(Math.abs(v) < 0.01 ? 2 : 1) + " %",
  ratio: (v) => v.toFixed(2),
  money: (v) => {
    const [size, unit] = [[1e9, "B"], [1e6, "M"], [1e3, "k"]].find(([s]) => Math.abs(v) >= s) || [1, ""];
    return (v / size).toFixed(unit === "k" ? 1 : 2) + unit;
  },
};
for (const chart of document.querySelectorAll(".chart[data-x0]")) {
  const { x0, x1, low, high, unit } = chart.dataset;
  const plot = chart.querySelector(".plot");
  const lines = [...chart.querySelectorAll("path[data-name]")].reverse().map((path) => ({
    name: path.dataset.name,
    points: [...path.getAttribute("d").matchAll(/([\d.]+),([\d.]+)/g)].map((m) => [+m[1], +m[2]]),
  }));
  if (!lines.length || !lines[0].points.length) continue;
  const cursor = Object.assign(document.createElement("div"), { className: "cursor" });
  const tip = Object.assign(document.createElement("div"), { className: "tip" });
  const nearest = (points, x) => {
    let from = 0, to = points.length - 1;
    while (to - from > 1) {
      const middle = (from + to) >> 1;
      if (points[middle][0] < x) from = middle; else to = middle;
    }
    return x - points[from][0] < points[to][0] - x ? points[from] : points[to];
  };
  const show = (event) => {
    const box = plot.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const at = nearest(lines[0].points, 1000 * share)[0];
    const day = new Date(+x0 + (at / 1000) * (x1 - x0)).toISOString().slice(0, 10);
    tip.replaceChildren(day);
    for (const { name, points } of lines) {
      if (!points.length) continue;
      const [x, y] = nearest(points, at);
      if (Math.abs(x - at) > 5) continue;
      const value = +high - (y / 1000) * (high - low);
      tip.append(document.createElement("br"), `${name}: ${(written[unit] || written.ratio)(value)}`);
    }
    cursor.style.left = at / 10 + "%";
    tip.style.left = at < 500 ? at / 10 + 1 + "%" : "";
    tip.style.right = at < 500 ? "" : 101 - at / 10 + "%";
    plot.append(cursor, tip);
  };
  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerdown", show);
  plot.addEventListener("pointerleave", () => { cursor.remove(); tip.remove(); });
}
addEventListener("beforeprint", () => {
  for (const closed of document.querySelectorAll("details")) closed.open = true;
});
