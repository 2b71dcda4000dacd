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
 * @property {Load[]} loads newest first
 * @property {boolean} isBusy
 * @property {string} problem
 * @property {(() => void) | undefined} more gets the next page, if there is one
 */

/**
 * @param {Filters} filters
 * @param {boolean} isShown without it nothing is asked for
 * @returns {Finished}
 */
export function useFinished(filters, isShown) {
  const path = `/loads?${loadQuery(filters, "finished")}&limit=50`;
  const [found, setFound] = useState(EMPTY);

  /**
   * @param {string} page
   * @param {Load[]} before
   * @param {AbortSignal} signal
   */
  const add = async (page, before, signal) => {
    setFound((shown) => ({ ...shown, isBusy: true, problem: "" }));
    try {
      const answer = await request("GET", page, { signal });
      const loads = [...before, ...answer.data];
      setFound({ loads, isBusy: false, problem: "", next: nextPage(answer.headers) });
    } catch (error) {
      if (!signal.aborted && error instanceof Problem) {
        setFound({ ...EMPTY, problem: error.message });
      }
    }
  };

  useEffect(() => {
    setFound(EMPTY);
    if (!isShown) return;
    const left = new AbortController();
    const timer = setTimeout(() => add(path, [], left.signal), PAUSE_MILLISECONDS);
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [path, isShown]);

  const { next } = found;
  const never = new AbortController().signal;
  const [from, to] = [fold(filters.origin), fold(filters.destination)];
  return {
    ...found,
    loads: found.loads.filter(
      (load) => fold(load.origin).includes(from) && fold(load.destination).includes(to),
    ),
    more: next && !found.isBusy ? () => add(next, found.loads, never) : undefined,
  };
}

const EMPTY = {
  loads: /** @type {Load[]} */ ([]),
  isBusy: false,
  problem: "",
  next: /** @type {string | undefined} */ (undefined),
};
