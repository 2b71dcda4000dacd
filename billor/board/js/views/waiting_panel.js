// Loads that wait for a driver.

import { h } from "preact";
import { startChoosing, stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { isolate } from "../ui/text.js";
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
function mainOf({ item: { load, planned }, tabIndex, isChosen, onPress }) {
  const driver = fleet.value.drivers.get(planned?.driverId ?? 0);
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
    h(
      "span",
      { class: "meta" },
      driver && [h("b", null, t("next for {driver}", { driver: isolate(driver.name) })), " · "],
      aboutLoad(load),
    ),
  );
}
