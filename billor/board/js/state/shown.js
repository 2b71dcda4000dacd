// Which lists of the board are shown.

/** Where one place is shown at a time; as in board.css. */
export const NARROW = "(max-width: 51.99rem)";

/**
 * @param {Filters} filters @param {boolean} isNarrow
 * @param {boolean} isChoosing a driver
 * @returns {Array<Exclude<Place, "">>}
 */
export function shownPlaces({ show, q, only }, isNarrow, isChoosing) {
  if (isNarrow) return [isChoosing ? "drivers" : show || "waiting"];
  if (show === "")
    return [
      "waiting",
      "road",
      "drivers",
      ...(isChoosing ? [] : [/** @type {const} */ ("busy")]), // they are below the free ones
      ...(q && !only ? [/** @type {const} */ ("finished")] : []),
    ];
  return isChoosing && show !== "drivers" ? [show, "drivers"] : [show];
}
