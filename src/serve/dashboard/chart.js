// Lines over time, drawn by uPlot, with what uPlot does not know: open points are hollow and reached by dashes, amended ones
// have a ring, and a line marks the watermark. Times are shown in UTC. The legend is ours: it shows the values under the cursor.
/* global uPlot */

import { colour, list, make, mark, set } from "./dom.js";
import { compact, clock } from "./text.js";

const charts = new Set();
/** How far the labels of a time axis may be apart, in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 31536000];
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour());
export function recolour() { for (const chart of charts) { chart.plot?.destroy(); chart.plot = null; chart.draw() } }

/** Beyond these a chart's arithmetic ends: values are drawn a power of ten smaller. */
const FAR = 1e290, SMALLER = 1e-20;
/** Steps for the labels of values between two bounds, however large or small, but none that the labels would not tell. */
const steps = (low, high, grain) => {
  const power = Math.floor(Math.log10((high - low) / 100 || 1));
  const all = [0, 1, 2, 3].flatMap(more => [1, 2, 2.5, 5].map(step => Number(`${step}e${power + more}`)));
  return grain ? [...all.filter(step => step >= grain && Math.abs(step / grain - Math.round(step / grain)) < 1e-9), grain * 10 ** Math.max(0, Math.ceil(Math.log10((high - low) / grain || 1)))] : all;
};

const utc = seconds => { const date = new Date(seconds * 1000); return new Date(date.getTime() + date.getTimezoneOffset() * 60_000) };

export class Lines {
  /** `options`: `height`, `format` of values, `label` for who cannot see it, `legend` (default true), `grain` (what the format tells apart: labels are multiples of it), `zero` (it is always shown), `least` seconds, `spark` (nothing but the line). */
  constructor(parent, options) {
    this.options = { height: 200, format: compact, grain: options.format ? 0 : 1, legend: true, ...options };
    this.box = parent.appendChild(make("div", { class: options.spark ? "spark" : "chart", role: "img", "aria-label": options.label }));
    if (this.options.legend && !options.spark) this.legend = parent.appendChild(make("ul", { class: "legend" }));
    new ResizeObserver(() => {
      if (this.plot && this.box.clientWidth > 0) this.plot.setSize(this.size()); else this.draw();
    }).observe(this.box);
    charts.add(this);
  }
  size() { return { width: Math.max(40, this.box.clientWidth), height: this.options.height } }
  /** `series`: `{ label, colour, values, statuses?, dash?, fill?, width? }`, all as long as `x` (seconds). */
  show(x, series, extra = {}) { Object.assign(this, { x, series, extra }); this.draw() }
  draw() {
    if (!this.x || this.box.clientWidth === 0) return;
    const shape = JSON.stringify(this.series.map(one => [one.label, one.colour, one.dash, one.fill, one.width]));
    const far = this.series.some(one => one.values.some(value => Math.abs(value) > FAR)), scale = far ? SMALLER : 1;
    if (this.scale !== scale) { this.scale = scale; this.shape = null }
    this.drawn = this.series.map(one => far ? one.values.map(value => value === null || value === undefined ? value : value * SMALLER) : one.values);
    const data = [this.x, ...this.drawn];
    if (!this.plot || this.shape !== shape) {
      this.plot?.destroy(); this.shape = shape;
      this.plot = new uPlot(this.setup(), data, this.box);
    } else this.plot.setData(data);
    this.legendOf(null);
  }
  setup() {
    const { spark, format } = this.options, grid = { stroke: colour("line"), width: 1 }, font = "11px " + colour("sans");
    const axis = { stroke: colour("soft"), font, grid, ticks: { show: false } };
    const series = this.series.map(one => ({
      label: one.label, stroke: colour(one.colour), width: one.width ?? 1.75, dash: one.dash,
      fill: one.fill ? colour(one.colour) + "22" : undefined, points: { show: false }, paths: one.statuses ? () => null : undefined,
    }));
    return {
      ...this.size(), padding: spark ? [2, 0, 2, 0] : [8, 26, 0, 0], legend: { show: false }, tzDate: utc,
      cursor: { show: !spark, y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { x: { time: true, range: (plot, min, max) => [Math.min(min ?? 0, (max ?? 1) - (this.options.least ?? 1)), max ?? 1] }, y: { range: (plot, min, max) => this.range(min, max) } },
      axes: spark ? [{ show: false }, { show: false }] : [
        // A time at the very left would stand on the least value.
        { ...axis, grid: { show: false }, size: 26, space: 80, incrs: STEPS, values: (plot, splits, axis, space, step) => splits.map(at => plot.valToPos(at, "x") < 24 ? "" : step >= 86400 ? new Date(at * 1000).toISOString().slice(5, 10) : step >= 60 ? clock(at * 1000).slice(0, 5) : clock(at * 1000)) },
        { ...axis, size: (plot, values) => 14 + 6.5 * Math.max(3, ...(values ?? [""]).map(value => value.length)), values: (plot, splits, axis, space, step) => splits.map(value => format(value / this.scale, step / this.scale)), incrs: (plot, at, low, high) => steps(low, high, this.options.grain * this.scale), space: 36 },
      ],
      series: [{}, ...series],
      hooks: spark ? {} : { draw: [plot => this.marks(plot)], setCursor: [plot => this.legendOf(plot.cursor.idx ?? null)] },
    };
  }
  range(min, max) {
    if (min === null || min === undefined || min === 0 && max === 0) return [0, 10 * this.options.grain || 1];
    // Zero is shown where it is not far, or asked for: lengths can then be compared.
    const low = min >= 0 && (this.options.zero || min < 0.6 * max) ? 0 : min, high = max <= 0 && max > 0.6 * min ? 0 : max, pad = (high - low || Math.abs(high) || 1) * 0.08;
    return [low === 0 ? 0 : low - pad, high === 0 && low < 0 ? 0 : high + pad];
  }
  marks(plot) {
    const context = plot.ctx, ratio = devicePixelRatio, { left, top, width, height } = plot.bbox;
    context.save();
    context.beginPath(); context.rect(left, top - 6 * ratio, width + 8 * ratio, height + 12 * ratio); context.clip();
    const watermark = this.extra.watermark;
    if (watermark !== undefined && watermark !== null) {
      const x = Math.round(plot.valToPos(watermark, "x", true));
      if (x > left && x < left + width) {
        context.fillStyle = colour("accent") + "14"; context.fillRect(x, top, left + width - x, height);
        context.strokeStyle = colour("accent"); context.lineWidth = ratio; context.setLineDash([3 * ratio, 3 * ratio]);
        context.beginPath(); context.moveTo(x, top); context.lineTo(x, top + height); context.stroke(); context.setLineDash([]);
      }
    }
    this.series.forEach((one, at) => {
      if (!one.statuses || plot.series[at + 1].show === false) return;
      const ink = colour(one.colour), place = i => [plot.valToPos(this.x[i], "x", true), plot.valToPos(this.drawn[at][i], "y", true)];
      context.strokeStyle = ink; context.lineWidth = 1.75 * ratio; context.lineJoin = "round";
      let before = -1, solid = new Path2D(), dashed = new Path2D();
      for (let i = 0; i < this.x.length; i++) {
        if (one.values[i] === null || one.values[i] === undefined) continue;
        if (before >= 0) { const path = one.statuses[before] === "open" || one.statuses[i] === "open" ? dashed : solid; path.moveTo(...place(before)); path.lineTo(...place(i)) }
        before = i;
      }
      context.stroke(solid);
      context.save(); context.setLineDash([3 * ratio, 4 * ratio]); context.globalAlpha = 0.6; context.stroke(dashed); context.restore();
      context.lineWidth = 1.5 * ratio;
      // Where points are close together, those that are as usual are the line alone.
      const close = width / this.x.length < 10 * ratio;
      one.statuses.forEach((status, i) => {
        if (!status || close && status === "final" || one.values[i] === null || one.values[i] === undefined) return;
        const [x, y] = place(i);
        context.beginPath(); context.arc(x, y, (status === "final" ? 1.8 : 3.2) * ratio, 0, 7);
        context.fillStyle = status === "open" ? colour("surface") : ink; context.fill();
        if (status === "open") context.stroke();
        if (status === "amended") { context.beginPath(); context.arc(x, y, 5.5 * ratio, 0, 7); context.stroke() }
      });
    });
    context.restore();
  }
  legendOf(index) {
    if (!this.legend) return;
    const last = values => { for (let i = values.length - 1; i >= 0; i--) if (values[i] !== null && values[i] !== undefined) return values[i]; return null };
    const long = this.x.length > 1 && this.x.at(-1) - this.x[0] > 86_400;
    // Of which time the values are, when they are not the newest.
    const at = index === null || this.x[index] === undefined ? [] : [{ label: "\0when", text: (long ? new Date(this.x[index] * 1000).toISOString().slice(0, 11).replace("T", " ") : "") + clock(this.x[index] * 1000) }];
    list(this.legend, [...this.series, ...at], one => one.label, one => one.text ? make("li", { class: "when" }, make("span")) : make("li", {}, make("i", { "aria-hidden": "true" }), make("span"), make("b")), (item, one) => {
      if (one.text) return set(item.firstChild, one.text);
      if (item.children[0].hue !== one.colour) { item.children[0].hue = one.colour; item.children[0].style.background = `var(--${one.colour})` }
      set(item.children[1], one.label); mark(item.children[1], "title", one.label.length > 24 ? one.label : null);
      const value = index === null ? last(one.values) : one.values[index];
      set(item.children[2], value === null || value === undefined ? "–" : this.options.format(value));
    });
  }
  label(text) { mark(this.box, "aria-label", text) }
  remove() { this.plot?.destroy(); charts.delete(this); this.box.remove(); this.legend?.remove() }
}

/** Horizontal bars from the zero that they share: `rows` of `{ name, value, text, status? }`. */
export function bars(parent, rows) {
  const most = Math.max(...rows.map(row => Math.abs(row.value ?? 0)).filter(Number.isFinite), 0) || 1;
  const share = ({ value }) => Number.isFinite(value ?? 0) ? (value ?? 0) / most : Math.sign(value) || 0;
  const shares = rows.map(share), low = Math.min(0, ...shares), all = Math.max(0, ...shares) - low || 1, percent = part => (100 * part / all).toFixed(2) + "%";
  list(parent, rows, row => row.name, () => make("li", {}, make("span", { class: "name" }), make("span", { class: "bar", "aria-hidden": "true" }, make("i")), make("b")), (item, row) => {
    const [name, bar, value] = item.children;
    set(name, row.name); mark(name, "title", row.name); set(value, row.text);
    mark(bar.firstChild, "class", row.status ?? "final");
    const part = share(row), width = percent(Math.abs(part)), from = percent(Math.min(part, 0) - low), zero = percent(-low);
    if (bar.shape === width + from + zero) return;
    bar.shape = width + from + zero;
    bar.firstChild.style.width = width; bar.firstChild.style.marginLeft = from;
    bar.style.setProperty("--zero", zero); bar.classList.toggle("signed", low < 0);
  });
}

/** Vertical bars: `bins` of `{ label, value, title, tone? }`, with a height in percent of the highest. */
export function columns(parent, bins) {
  const most = Math.max(...bins.map(bin => bin.value), 0) || 1;
  list(parent, bins, bin => bin.label, () => make("div", {}, make("i"), make("span")), (item, bin) => {
    const height = bin.value > 0 ? Math.max(1.5, 100 * bin.value / most).toFixed(1) + "%" : "0";
    mark(item, "title", bin.title); mark(item, "class", bin.tone);
    if (item.height !== height) { item.height = height; item.firstChild.style.height = height }
    set(item.lastChild, bin.label);
  });
}
