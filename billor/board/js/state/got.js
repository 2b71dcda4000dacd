// What views get from the API while they are shown.

import { useEffect, useRef, useState } from "preact/hooks";
import { nextPage, Problem, request } from "../api/client.js";

const PAUSE_MILLISECONDS = 250;

/**
 * Get something when a view is first drawn, and again when one of `inputs` has changed.
 * @template T
 * @param {() => Promise<T>} get Raises `Problem`.
 * @param {unknown[]} inputs
 * @returns {{data: T | null, problem: string, refresh: () => Promise<void>}}
 */
export function useGot(get, inputs) {
  const [got, setGot] = useState({ data: /** @type {T | null} */ (null), problem: "" });
  const last = useRef({ asked: 0, answered: 0 });
  const refresh = async () => {
    const number = ++last.current.asked;
    const answer = await get().then(
      (data) => ({ data, problem: "" }),
      (/** @type {unknown} */ error) => {
        if (!(error instanceof Problem)) throw error;
        return { problem: error.message };
      },
    );
    if (number < last.current.answered) return; // a newer one was faster
    last.current.answered = number;
    setGot((before) => ({ ...before, ...answer }));
  };
  useEffect(() => void refresh(), inputs);
  return { ...got, refresh };
}

/**
 * Get the first page of a list, and further ones when asked. Waits until typing pauses.
 * @param {string} wanted its path
 * @param {unknown} [version] the list is got again when it changes
 */
export function usePages(wanted, version) {
  const [path, setPath] = useState(wanted);
  useEffect(() => {
    const timer = setTimeout(() => setPath(wanted), PAUSE_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [wanted]);
  const [count, setCount] = useState(1);
  useEffect(() => setCount(1), [path]);
  const { data, problem } = useGot(() => firstPages(path, count), [path, version, count]);
  const isOld = !data || data.path !== wanted;
  const isMore = !isOld && data.next && data.count === count;
  return {
    rows: isOld ? undefined : data.rows,
    problem,
    more: isMore ? () => setCount(count + 1) : undefined,
  };
}

/** @param {string} path @param {number} count of pages */
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
  return { path, count, rows, next };
}
