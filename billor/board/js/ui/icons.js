// The few icons, as SVG. They say nothing that is not in the text or the label beside them.

import { h } from "preact";
import { t } from "./words.js";

const PATHS = {
  add: "M8 3v10M3 8h10",
  arrow: "M2.5 8h10M9 4.5 12.5 8 9 11.5",
  back: "M13.5 8h-10M7 4.5 3.5 8 7 11.5",
  check: "M3 8.5 6.5 12 13 4.5",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.500V8l2.500 1.500",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6l4 4 4-4",
  file: "M4 2h5l3 3v9H4ZM9 2v3h3",
  filter: "M2.5 4h11M4.5 8h7M6.5 12h3",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 14 14",
  user: "M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM3 13.5c.6-2.3 2.6-3.5 5-3.5s4.400 1.200 5 3.500",
  warning: "M8 2.500 14.500 13.500h-13ZM8 6.500v3.500M8 12h.01",
};

/** @param {keyof typeof PATHS} name */
export const icon = (name) =>
  h(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    h("path", { d: PATHS[name] }),
  );

/** The way from one place to another, read as "to". */
export const to = () => [icon("arrow"), h("span", { class: "unseen" }, ` ${t("to")} `)];
