// Loads that wait for a driver, the soonest pickup first.

import { h } from "preact";
import { choosing, startChoosing, stopChoosing } from "../state/choosing.js";
import { isOverdue } from "../state/lists.js";
import { useStore } from "../state/store.js";
import { minuteTime, shortTime, since } from "../ui/times.js";
import { drag } from "./dropping.js";
import { aboutLoad, LoadList, LoadNumber, Nothing, PanelHead, RouteOf } from "./panel.js";

/** @import {Load} from "../types.js" */
/** @import {Lists, Waiting} from "../state/lists.js" */

/** @param {{lists: Lists, now: string, isComplete: boolean}} props */
export function WaitingPanel({ lists: { waiting, total, version }, now, isComplete }) {
  const { loadId } = useStore(choosing);
  return [
    h(
      PanelHead,
      { title: "Waiting", count: waiting.length, total: total.waiting, isComplete },
      isComplete &&
        total.overdue > 0 &&
        h("span", { class: "badge late" }, `${total.overdue} overdue`),
    ),
    h(/** @type {typeof LoadList<Waiting>} */ (LoadList), {
      items: waiting,
      label: "Waiting loads",
      version,
      empty: h(Nothing, { isComplete, text: "No load is waiting." }),
      renderRow: (item, tabIndex) =>
        h(WaitingRow, { key: "row", item, tabIndex, now, isChosen: loadId === item.load.id }),
    }),
  ];
}

/** @param {{item: Waiting, tabIndex: number, isChosen: boolean, now: string}} props */
function WaitingRow({ item: { load, isPending }, tabIndex, isChosen, now }) {
  return h(
    "div",
    {
      class: `row load-row${isChosen ? " chosen" : ""}${isPending ? " pending" : ""}`,
      "data-drop": `load:${load.id}`,
      onPointerDown: (/** @type {PointerEvent} */ event) => isPending || drag(event, { load }),
    },
    h(LoadNumber, { load, tabIndex }),
    h(
      "button",
      {
        type: "button",
        class: "row-main",
        "data-main": true,
        "aria-pressed": isChosen,
        title: "Choose a driver, or drag the load onto one",
        tabIndex,
        onClick: () => (isChosen ? stopChoosing() : startChoosing(load)),
      },
      h(RouteOf, { load }),
      h("span", { class: "meta" }, aboutLoad(load)),
    ),
    h(Times, { load, now }),
  );
}

/** @param {{load: Load, now: string}} props */
function Times({ load, now }) {
  const { pickupAt, deliverBy } = load;
  const isLate = isOverdue(load, now);
  return h(
    "div",
    { class: "when" },
    pickupAt &&
      h(
        "time",
        {
          class: isLate ? "late" : "",
          dateTime: pickupAt,
          title: `Pickup ${minuteTime(pickupAt)}`,
        },
        isLate ? `${since(pickupAt, now)} overdue` : shortTime(pickupAt),
      ),
    deliverBy &&
      h(
        "time",
        { class: "meta", dateTime: deliverBy, title: `Deliver by ${minuteTime(deliverBy)}` },
        `by ${shortTime(deliverBy)}`,
      ),
  );
}
