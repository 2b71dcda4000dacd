// Loads on the road: who drives what, and until when.

import { h } from "preact";
import { close } from "../state/actions.js";
import { startChoosing } from "../state/choosing.js";
import { button } from "../ui/button.js";
import { icon } from "../ui/icons.js";
import { Menu } from "../ui/menu.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { openDialog } from "./dialogs.js";
import { DriverLink } from "./driver_link.js";
import { drag } from "./dropping.js";
import { When } from "./due.js";
import { aboutLoad, LoadList, LoadNumber, Nothing, PanelHead, RouteOf } from "./panel.js";

/** @param {{lists: Lists, now: string, isComplete: boolean}} props */
export function RoadPanel({ lists: { road, total, version }, now, isComplete }) {
  return [
    h(PanelHead, { title: t("On the road"), count: road.length, total: total.road, isComplete }),
    h(/** @type {typeof LoadList<OnTheRoad>} */ (LoadList), {
      items: road,
      label: t("Loads on the road"),
      version,
      empty: h(Nothing, { isComplete, text: t("Nobody is on the road.") }),
      renderRow: (item, tabIndex) => h(RoadRow, { key: "row", item, tabIndex, now }),
    }),
  ];
}

/** @param {{item: OnTheRoad, tabIndex: number, now: string}} props */
function RoadRow({ item, tabIndex, now }) {
  const { load, driver, assignment, isPending } = item;
  return h(
    "div",
    {
      class: `row load-row${isPending ? " pending" : ""}`,
      "data-drop": `road:${assignment.id}`,
      onPointerDown: (/** @type {PointerEvent} */ event) =>
        isPending || drag(event, { load, driver, assignment }),
    },
    h(LoadNumber, { load, tabIndex: -1 }),
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
        },
        h(RouteOf, { load }),
      ),
    ),
    h(When, { item, now }),
    h(RoadActions, { item, tabIndex }),
  );
}

/** @param {{item: OnTheRoad, tabIndex: number}} props */
function RoadActions({ item: { load, driver, assignment, isPending }, tabIndex }) {
  return h(
    "div",
    { class: "row-actions" },
    button(
      [icon("check"), h("span", null, t("Complete"))],
      () => openDialog({ name: "complete", load, driver, assignment }),
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
          { text: t("Give to another driver"), action: () => startChoosing(load, assignment.id) },
          { text: t("Cancel the assignment"), action: () => void close(assignment, "CANCELLED") },
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
