// What views get from the API while they are shown.

import { useEffect, useRef, useState } from "preact/hooks";
import { nextPage, Problem, request } from "../api/client.js";

/**
 * Get something when a view is first drawn, and again when one of `inputs` has changed.
 *
 * @template T
 * @param {() => Promise<T>} get Raises `Problem`.
 * @param {unknown[]} inputs
 * @returns {{data: T | null, problem: string, refresh: () => Promise<void>}}
 */
export function useGot(get, inputs) {
  const [got, setGot] = useState({ data: /** @type {T | null} */ (null), problem: "" });
  const asked = useRef(0);
  const refresh = async () => {
    const number = ++asked.current;
    try {
      const data = await get();
      if (number === asked.current) setGot({ data, problem: "" });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (number === asked.current) setGot(({ data }) => ({ data, problem: error.message }));
    }
  };
  useEffect(() => void refresh(), inputs);
  return { ...got, refresh };
}

/**
 * Get the first page of a list, and further ones when asked.
 *
 * @param {string} path
 * @param {unknown} [version] the list is got again when it changes
 */
export function usePages(path, version) {
  const [wanted, setWanted] = useState(1);
  useEffect(() => setWanted(1), [path]);
  const got = useGot(() => firstPages(path, wanted), [path, version, wanted]);
  const more = got.data?.next ? () => setWanted(wanted + 1) : undefined;
  return { rows: got.data?.rows, problem: got.problem, more };
}

/**
 * @param {string} path
 * @param {number} count of pages
 */
async function firstPages(path, count) {
  /** @type {any[]} */
  const rows = [];
  /** @type {string | undefined} */
  let next = path;
  for (let number = 0; next && number < count; number++) {
    const answer = await request("GET", next);
    rows.push(...answer.data);
    next = nextPage(answer.headers);
  }
  return { rows, next };
}
