// Loads on the road: who drives what, and until when.

import { h } from "preact";
import { close } from "../state/actions.js";
import { startChoosing } from "../state/choosing.js";
import { selection } from "../state/selection.js";
import { button } from "../ui/button.js";
import { icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { CheckInDialog } from "./check_in_dialog.js";
import { askToComplete, openDialog } from "./dialogs.js";
import { LoadPanel } from "./load_panel.js";
import { DriverLink } from "./page.js";
import { aboutLoad, RouteOf } from "./panel.js";

/** @typedef {import("./load_panel.js").Row<OnTheRoad>} Row */

/** @param {{lists: Lists, now: string}} props */
export const RoadPanel = ({ lists: { road, total, version }, now }) =>
  h(/** @type {typeof LoadPanel<OnTheRoad>} */ (LoadPanel), {
    title: t("On the road"),
    label: t("Loads on the road"),
    items: road,
    total: total.road,
    version,
    nothing: t("Nobody is on the road."),
    now,
    mainOf,
    moreOf: delayOf,
    actionsOf,
  });

/** @param {OnTheRoad} item */
const delayOf = ({ assignment: { delayReason } }) =>
  delayReason &&
  h(
    "p",
    { key: "delay", class: "delay", title: delayReason },
    t("Delayed: {reason}", { reason: isolate(delayReason) }),
  );

/** @param {Row} row */
const mainOf = ({ item: { load, driver }, tabIndex, isChosen, onPress }) =>
  h(
    "div",
    { class: "row-main" },
    h(DriverLink, { driver, tabIndex: -1 }),
    h(
      "a",
      {
        class: "meta whole",
        "data-main": true,
        href: `#/loads/${load.id}`,
        title: aboutLoad(load),
        draggable: false,
        tabIndex,
        ...(selection.value.isOn && { role: "button", "aria-pressed": isChosen }),
        onClick: (/** @type {MouseEvent} */ event) => onPress(event) && event.preventDefault(),
      },
      h(RouteOf, { load }),
    ),
  );

/** @param {Row} row */
function actionsOf({ item, tabIndex }) {
  const { load, driver, assignment, isPending } = item;
  return h(
    "div",
    { class: "row-actions" },
    button(
      [icon("check"), h("span", null, t("Complete"))],
      () => askToComplete(item),
      "small complete",
      { disabled: isPending, tabIndex, "aria-label": t("Complete load {id}", { id: load.id }) },
    ),
    h(
      Menu,
      {
        key: assignment.id, // it closes when the load gets another driver
        label: t("More about load {id}", { id: load.id }),
        disabled: isPending,
        tabIndex,
        choices: [
          {
            text: t("Check in for the driver"),
            action: () => openDialog(CheckInDialog, { load, assignment }),
          },
          { text: t("Give to another driver"), action: () => startChoosing(load, assignment.id) },
          { text: t("Cancel assignment"), action: () => void close(assignment, "CANCELLED") },
          {
            text: t("About {driver}", { driver: isolate(driver.name) }),
            action: `#/drivers/${driver.id}`,
          },
        ],
      },
      icon("more"),
    ),
  );
}
