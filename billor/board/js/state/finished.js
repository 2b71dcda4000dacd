// Finished loads: not in memory, but found by the API.

import { useEffect, useState } from "preact/hooks";
import { nextPage, Problem, request } from "../api/client.js";
import { loadQuery } from "./exporting.js";
import { fold } from "./search.js";

/** @import {Load} from "../types.js" */
/** @import {Filters} from "./address.js" */

const PAUSE_MILLISECONDS = 250;

/**
 * @typedef {object} Finished
 * @property {Load[]} loads the last that was finished first
 * @property {boolean} isBusy
 * @property {string} problem
 * @property {(() => void) | undefined} more gets the next page, if there is one
 */

/**
 * @param {Filters} filters
 * @param {boolean} isShown without it nothing is asked for
 * @param {number} version asked for again when it changes
 * @returns {Finished}
 */
export function useFinished(filters, isShown, version) {
  const path = `/loads?${loadQuery(filters, "finished")}&sort=updatedAt&expand=assignment&limit=50`;
  const [found, setFound] = useState(EMPTY);
  const { pageCount } = found;

  useEffect(() => setFound(EMPTY), [path, isShown]);
  useEffect(() => {
    if (!isShown) return;
    const left = new AbortController();
    const read = async () => {
      try {
        const answer = await firstPages(path, pageCount, left.signal);
        setFound({ ...answer, pageCount, isBusy: false, problem: "" });
      } catch (error) {
        if (left.signal.aborted) return;
        if (!(error instanceof Problem)) throw error;
        setFound({ ...EMPTY, isBusy: false, problem: error.message });
      }
    };
    const timer = setTimeout(read, PAUSE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [path, isShown, pageCount, version]);

  const [from, to] = [fold(filters.origin), fold(filters.destination)];
  const more = () => setFound({ ...found, isBusy: true, pageCount: pageCount + 1 });
  return {
    ...found,
    loads: found.loads.filter(
      (load) => fold(load.origin).includes(from) && fold(load.destination).includes(to),
    ),
    more: found.next && !found.isBusy ? more : undefined,
  };
}

/**
 * @param {string} path
 * @param {number} count
 * @param {AbortSignal} signal
 */
async function firstPages(path, count, signal) {
  /** @type {Load[]} */
  const loads = [];
  /** @type {string | undefined} */
  let next = path;
  for (let number = 0; next && number < count; number++) {
    const answer = await request("GET", next, { signal });
    loads.push(...answer.data);
    next = nextPage(answer.headers);
  }
  return { loads, next };
}

const EMPTY = {
  loads: /** @type {Load[]} */ ([]),
  isBusy: true,
  problem: "",
  next: /** @type {string | undefined} */ (undefined),
  pageCount: 1,
};
