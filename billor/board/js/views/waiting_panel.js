// Loads that wait for a driver, the soonest pickup first.

import { h } from "preact";
import { choosing, startChoosing, stopChoosing } from "../state/choosing.js";
import { isOverdue } from "../state/lists.js";
import { notices } from "../state/notices.js";
import { useStore } from "../state/store.js";
import { startDragging } from "../ui/dragging.js";
import { minuteTime, shortTime, since } from "../ui/times.js";
import { VirtualList } from "../ui/virtual_list.js";
import {
  aboutLoad,
  LoadNumber,
  Nothing,
  PanelHead,
  ROW_REM,
  RouteOf,
  TROUBLE_REM,
  TroubleLine,
} from "./panel.js";

/** @import {Load} from "../types.js" */
/** @import {Lists, Waiting} from "../state/lists.js" */

/** @param {Waiting} item */
const keyOf = ({ load }) => load.id;

/** @param {{lists: Lists, now: string, isComplete: boolean}} props */
export function WaitingPanel({ lists: { waiting, total }, now, isComplete }) {
  const { troubles } = useStore(notices);
  const { loadId } = useStore(choosing);
  return [
    h(
      PanelHead,
      { title: "Waiting", count: waiting.length, total: total.waiting },
      total.overdue > 0 && h("span", { class: "badge late" }, `${total.overdue} overdue`),
    ),
    h(/** @type {typeof VirtualList<Waiting>} */ (VirtualList), {
      items: waiting,
      keyOf,
      heightOf: ({ load }) => ROW_REM + (troubles.has(load.id) ? TROUBLE_REM : 0),
      label: "Waiting loads",
      empty: h(Nothing, { isComplete, text: "No load waits." }),
      renderRow: (item, isActive) =>
        h(WaitingRow, { item, isActive, now, isChosen: loadId === item.load.id }),
    }),
  ];
}

/** @param {{item: Waiting, isActive: boolean, isChosen: boolean, now: string}} props */
function WaitingRow({ item: { load, isPending }, isActive, isChosen, now }) {
  const trouble = notices.value.troubles.get(load.id);
  const tabIndex = isActive ? 0 : -1;
  return [
    h(
      "div",
      {
        key: "row",
        class: `row load-row${isChosen ? " chosen" : ""}${isPending ? " pending" : ""}`,
        onPointerDown: (/** @type {PointerEvent} */ event) => startDragging(event, load, null),
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
    ),
    trouble && h(TroubleLine, { key: "trouble", trouble, loadId: load.id, tabIndex }),
  ];
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
