// The waiting loads that are selected, to do the same with all of them.

import { pending } from "./actions.js";
import { stopChoosing } from "./choosing.js";
import { fleet } from "./fleet.js";
import { Store } from "./store.js";

/**
 * `isOn`: each press selects. `last`: where a range begins.
 * @type {Store<{ids: Set<number>, isOn: boolean, last: number | null}>}
 */
export const selection = new Store({
  ids: new Set(),
  isOn: false,
  last: /** @type {number | null} */ (null),
});

export const clearSelection = () => selection.set({ ids: new Set(), isOn: false, last: null });

export const startSelecting = () => selection.set({ isOn: true });

/**
 * Select a load if this press does so.
 * @param {MouseEvent} event @param {Load} load
 * @param {number[]} all the ids that are shown, in their order
 * @returns {boolean}
 */
export function select({ shiftKey, ctrlKey, metaKey }, { id }, all) {
  const { isOn, last, ids } = selection.value;
  if (!isOn && !shiftKey && !ctrlKey && !metaKey) return false;
  stopChoosing();
  const next = new Set(ids);
  const [from, to] = [all.indexOf(last ?? id), all.indexOf(id)].sort((one, other) => one - other);
  if (shiftKey && from !== undefined && to !== undefined && from >= 0) {
    for (const each of all.slice(from, to + 1)) next.add(each);
  } else if (!next.delete(id)) {
    next.add(id);
  }
  selection.set({ ids: next, isOn: next.size > 0 || isOn, last: id });
  return true;
}

/** @returns {Load[]} those selected that still wait */
export const selectedLoads = () =>
  [...selection.value.ids]
    .map((id) => /** @type {Load} */ (fleet.value.loads.get(id)))
    .filter((load) => load?.status === "OPEN" && !pending.value.byLoad.has(load.id));
