// Loads that wait for a driver.

import { h } from "preact";
import { startChoosing, stopChoosing } from "../state/choosing.js";
import { t } from "../ui/words.js";
import { LoadPanel } from "./load_panel.js";
import { aboutLoad, RouteOf } from "./panel.js";

/** @param {{lists: Lists, now: string}} props */
export const WaitingPanel = ({ lists: { waiting, total, version }, now }) =>
  h(/** @type {typeof LoadPanel<Waiting>} */ (LoadPanel), {
    title: t("Waiting"),
    label: t("Waiting loads"),
    items: waiting,
    total: total.waiting,
    version,
    nothing: t("No load is waiting."),
    now,
    mainOf,
  });

/** @param {import("./load_panel.js").Row<Waiting>} row */
function mainOf({ item: { load }, tabIndex, isChosen, onPress }) {
  const onClick = (/** @type {MouseEvent} */ event) => {
    if (onPress(event)) return;
    if (isChosen) stopChoosing();
    else startChoosing(load);
  };
  return h(
    "button",
    {
      type: "button",
      class: "row-main",
      "data-main": true,
      "aria-pressed": isChosen,
      title: t("Choose a driver, or drag the load onto one"),
      tabIndex,
      onClick,
    },
    h(RouteOf, { load }),
    h("span", { class: "meta" }, aboutLoad(load)),
  );
}
