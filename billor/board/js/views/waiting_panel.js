// Loads that wait for a driver.

import { h } from "preact";
import { setStatus } from "../state/actions.js";
import { choosing, startChoosing, stopChoosing } from "../state/choosing.js";
import {
  clearSelection,
  select,
  selectedLoads,
  selection,
  startSelecting,
} from "../state/selection.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { t } from "../ui/words.js";
import { openDialog } from "./dialogs.js";
import { drag } from "./dropping.js";
import { When } from "./due.js";
import { aboutLoad, LoadList, LoadNumber, Nothing, PanelHead, RouteOf } from "./panel.js";

/** @param {{lists: Lists, now: string, isComplete: boolean}} props */
export function WaitingPanel({ lists: { waiting, total, version }, now, isComplete }) {
  const { loadId } = useStore(choosing);
  const { ids, isOn } = useStore(selection);
  const press = (/** @type {MouseEvent} */ event, /** @type {Load} */ load) => {
    const ids = waiting.map((item) => item.load.id);
    if (select(event, load, ids)) return;
    if (loadId === load.id) stopChoosing();
    else startChoosing(load);
  };
  return [
    h(
      PanelHead,
      { title: t("Waiting"), count: waiting.length, total: total.waiting, isComplete },
      !isOn && waiting.length > 1 && button(t("Select"), startSelecting, "small"),
    ),
    isOn && h(SelectionBar, { count: selectedLoads().length }),
    h(/** @type {typeof LoadList<Waiting>} */ (LoadList), {
      items: waiting,
      label: t("Waiting loads"),
      version,
      empty: h(Nothing, { isComplete, text: t("No load is waiting.") }),
      renderRow: (item, tabIndex) =>
        h(WaitingRow, {
          key: "row",
          item,
          tabIndex,
          now,
          isChosen: isOn ? ids.has(item.load.id) : loadId === item.load.id,
          onPress: (event) => press(event, item.load),
        }),
    }),
  ];
}

/** @param {{count: number}} props */
function SelectionBar({ count }) {
  const cancel = () =>
    openDialog({
      name: "question",
      title: count === 1 ? t("Cancel one load?") : t("Cancel {count} loads?", { count }),
      yes: t("Cancel loads"),
      children: t("A load that cannot be cancelled stays here, and says why."),
      onYes: () => {
        for (const load of selectedLoads()) setStatus(load, "CANCELLED");
        clearSelection();
      },
    });
  const more = { disabled: count === 0 };
  return h(
    "div",
    { class: "selection-bar", role: "group", "aria-label": t("Selected loads") },
    h("b", { role: "status" }, t("{count} selected", { count })),
    button(t("Assign"), () => openDialog({ name: "bulk", loads: selectedLoads() }), "small", more),
    button(t("Cancel loads"), cancel, "small", more),
    button(t("Done"), clearSelection, "small"),
  );
}

/**
 * @param {object} props @param {Waiting} props.item @param {number} props.tabIndex
 * @param {boolean} props.isChosen or selected
 * @param {string} props.now @param {(event: MouseEvent) => void} props.onPress
 */
function WaitingRow({ item, tabIndex, isChosen, now, onPress }) {
  const { load, isPending } = item;
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
        title: t("Choose a driver, or drag the load onto one"),
        tabIndex,
        onClick: onPress,
      },
      h(RouteOf, { load }),
      h("span", { class: "meta" }, aboutLoad(load)),
    ),
    h(When, { item, now }),
  );
}
