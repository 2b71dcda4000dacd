// Which lists of the board are shown.

/** @import {Place} from "./address.js" */

/** Where one place is shown at a time; as in board.css. */
export const NARROW = "(max-width: 51.99rem)";

/**
 * @param {Place} show
 * @param {boolean} isNarrow
 * @param {boolean} isChoosing a driver
 * @param {boolean} isSearching
 * @returns {Array<Exclude<Place, "">>}
 */
export function shownPlaces(show, isNarrow, isChoosing, isSearching) {
  if (isNarrow) return [isChoosing ? "drivers" : show || "waiting"];
  if (show === "") return ["waiting", "road", "drivers", ...(isSearching ? [FINISHED] : [])];
  return isChoosing && show !== "drivers" ? [show, "drivers"] : [show];
}

const FINISHED = /** @type {const} */ ("finished");
