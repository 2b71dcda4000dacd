// Charts in SVG. Series differ by fill and outline, too, so they can be distinguished in grey.

import { h } from "preact";
import { useId } from "preact/hooks";
import { dayName } from "../ui/times.js";

/** @import {Day} from "../types.js" */

const WIDTH = 900;
const HEIGHT = 260;
const LEFT = 64;
const BOTTOM = 28;
const TOP = 12;
const RIGHT = 16;
const LABEL_EVERY = 5;

/** @typedef {{name: string, of: (day: Day) => number, look: string}} Series */

/**
 * @param {{days: Day[], series: Series[]}} props
 */
export function Bars({ days, series }) {
  const pattern = useId();
  const most = niceCeiling(Math.max(1, ...days.flatMap((day) => series.map(({ of }) => of(day)))));
  const step = (WIDTH - LEFT - RIGHT) / days.length;
  const width = (step * 0.8) / series.length;
  const y = scale(most);
  const sums = series.map(
    ({ name, of }) => `${name} ${days.reduce((sum, day) => sum + of(day), 0)}`,
  );
  return h(
    "figure",
    { class: "chart" },
    h(Legend, { series, pattern }),
    h(
      Frame,
      {
        label: `Bars of each day. In 30 days: ${sums.join(", ")}.`,
        most,
        format: String,
        days,
        step,
      },
      h(Hatch, { id: pattern }),
      days.map((day, index) =>
        series.map(({ name, of, look }, place) =>
          h(
            "rect",
            {
              key: `${day.date} ${name}`,
              class: `bar bar-${look}`,
              fill: look === "cancelled" ? `url(#${pattern})` : undefined,
              x: LEFT + index * step + step * 0.1 + place * width,
              y: y(of(day)),
              width: Math.max(1, width - 1),
              height: y(0) - y(of(day)),
            },
            h("title", null, `${dayName(day.date)}: ${name.toLowerCase()} ${of(day)}`),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {{days: Day[], of: (day: Day) => number | null, format: (value: number) => string}} props
 */
export function Line({ days, of, format }) {
  const values = days.map(of);
  const known = values.filter((value) => value !== null);
  const most = niceSeconds(Math.max(60, ...known));
  const step = (WIDTH - LEFT - RIGHT) / days.length;
  const y = scale(most);
  const x = (/** @type {number} */ index) => LEFT + (index + 0.5) * step;
  const label = known.length
    ? `Line of each day, between ${format(Math.min(...known))} and ${format(Math.max(...known))}.`
    : "No load was assigned in these days.";
  return h(
    "figure",
    { class: "chart" },
    h(
      Frame,
      { label, most, format, days, step },
      h("path", { class: "line", d: linePath(values, x, y) }),
      values.map(
        (value, index) =>
          value !== null &&
          h(
            "circle",
            { key: index, class: "point", cx: x(index), cy: y(value), r: 3.5 },
            h("title", null, `${dayName(days[index]?.date ?? "")}: ${format(value)}`),
          ),
      ),
    ),
  );
}

/**
 * @param {Array<number | null>} values
 * @param {(index: number) => number} x
 * @param {(value: number) => number} y
 * @returns {string} the path through neighbouring days; days without a value interrupt it
 */
function linePath(values, x, y) {
  return values
    .map((value, index) => {
      if (value === null) return "";
      const isNext = index > 0 && values[index - 1] !== null;
      return `${isNext ? "L" : "M"}${x(index)} ${y(value)}`;
    })
    .join("");
}

/**
 * @param {object} props
 * @param {string} props.label
 * @param {number} props.most
 * @param {(value: number) => string} props.format
 * @param {Day[]} props.days
 * @param {number} props.step
 * @param {import("preact").ComponentChildren} [props.children]
 */
function Frame({ label, most, format, days, step, children }) {
  const y = scale(most);
  return h(
    "div",
    { class: "chart-holder" },
    h(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      [0, most / 2, most].map((value) =>
        h(
          "g",
          { key: value, class: "grid" },
          h("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
          h("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format(value)),
        ),
      ),
      days.map(
        (day, index) =>
          (days.length - 1 - index) % LABEL_EVERY === 0 &&
          h(
            "text",
            {
              key: day.date,
              class: "axis",
              x: LEFT + (index + 0.5) * step,
              y: HEIGHT - 6,
              "text-anchor": "middle",
            },
            dayName(day.date),
          ),
      ),
      children,
    ),
  );
}

/** @param {{id: string}} props */
const Hatch = ({ id }) =>
  h(
    "pattern",
    { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    h("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 5 }),
  );

/** @param {{series: Series[], pattern: string}} props */
function Legend({ series, pattern }) {
  return h(
    "figcaption",
    { class: "legend" },
    series.map(({ name, look }) =>
      h(
        "span",
        { key: name },
        h(
          "svg",
          { viewBox: "0 0 12 12", "aria-hidden": "true" },
          h("rect", {
            class: `bar bar-${look}`,
            fill: look === "cancelled" ? `url(#${pattern})` : undefined,
            x: 1,
            y: 1,
            width: 10,
            height: 10,
          }),
        ),
        name,
      ),
    ),
  );
}

/**
 * @param {number} most
 * @returns {(value: number) => number} where a value is, from the top
 */
const scale = (most) => (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most);

/**
 * @param {number} value
 * @returns {number} an even number that is easy to read, and not below it
 */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const nice = [1, 2, 4, 6, 8, 10].find((factor) => factor * power >= value) ?? 10;
  return Math.max(2, nice * power);
}

/** @param {number} seconds */
function niceSeconds(seconds) {
  const units = [60, 3600, 86_400].filter((unit) => unit <= seconds);
  const unit = units.at(-1) ?? 60;
  return niceCeiling(seconds / unit) * unit;
}
