// A list of loads, each of which can be selected and dragged, and says what was refused.

import { h } from "preact";
import { choosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { notices } from "../state/notices.js";
import { select, selection, startSelecting } from "../state/selection.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { VirtualList } from "../ui/virtual_list.js";
import { t } from "../ui/words.js";
import { drag } from "./dropping.js";
import { When } from "./due.js";
import { LoadNumber, Nothing, PanelHead, ROW_REM, TroubleLine } from "./panel.js";

const TROUBLE_REM = 3.5;
const MORE_REM = 1.5;

/**
 * What a row draws. `onPress` tells whether a press selects the load.
 * @template Item
 * @typedef {{item: Item, tabIndex: number, isChosen: boolean, onPress: (event: MouseEvent) => boolean}} Row
 */

/**
 * @template {Waiting & Partial<OnTheRoad>} Item
 * @param {object} props @param {string} props.title @param {string} props.label
 * @param {Item[]} props.items @param {number} props.total without filters
 * @param {number} props.version of what is known
 * @param {string} props.nothing what is said without loads @param {string} props.now
 * @param {(row: Row<Item>) => Children} props.mainOf what the load is
 * @param {(item: Item) => Children} [props.moreOf] one line below
 * @param {(row: Row<Item>) => Children} [props.actionsOf] what may be done
 */
export function LoadPanel(props) {
  const { title, label, items, total, version, nothing, now } = props;
  const { isComplete } = useStore(fleet);
  const { troubles } = useStore(notices);
  const { loadId } = useStore(choosing);
  const { ids, isOn } = useStore(selection);
  const rowOf = (/** @type {Item} */ item, /** @type {number} */ tabIndex) => {
    const { load, assignment, isPending } = item;
    const isChosen = isOn ? ids.has(load.id) : loadId === load.id;
    const onPress = (/** @type {MouseEvent} */ event) => select(event, load, items);
    const row = { item, tabIndex, isChosen, onPress };
    return h(
      "div",
      {
        key: "row",
        class: `row load-row${isChosen ? " chosen" : ""}${isPending ? " pending" : ""}`,
        "data-drop": assignment ? `road:${assignment.id}` : `load:${load.id}`,
        onPointerDown: (/** @type {PointerEvent} */ event) => isPending || drag(event, item),
      },
      h(LoadNumber, { load, tabIndex: assignment ? -1 : tabIndex }),
      props.mainOf(row),
      h(When, { item, now }),
      props.actionsOf?.(row),
    );
  };
  return [
    h(
      PanelHead,
      { title, count: items.length, total, isComplete },
      !isOn && items.length > 1 && button(t("Select"), startSelecting, "small"),
    ),
    h(/** @type {typeof VirtualList<Item>} */ (VirtualList), {
      items,
      keyOf: ({ load }) => load.id,
      heightOf: (item) =>
        ROW_REM +
        (props.moreOf?.(item) ? MORE_REM : 0) +
        (troubles.has(item.load.id) ? TROUBLE_REM : 0),
      label,
      version,
      empty: h(Nothing, { isComplete, text: nothing }),
      renderRow: (item, isActive) => {
        const tabIndex = isActive ? 0 : -1;
        const loadId = item.load.id;
        const trouble = troubles.get(loadId);
        return [
          rowOf(item, tabIndex),
          props.moreOf?.(item),
          trouble && h(TroubleLine, { key: "trouble", trouble, loadId, tabIndex }),
        ];
      },
    }),
  ];
}
