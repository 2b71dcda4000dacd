// The time and other events, as views need them.

import { useEffect, useState } from "preact/hooks";

/**
 * Listen to the window while a view is shown.
 * @param {string[]} names of events @param {(event: any) => unknown} listener
 */
export const useListener = (names, listener) =>
  useEffect(() => {
    for (const name of names) addEventListener(name, listener);
    return () => {
      for (const name of names) removeEventListener(name, listener);
    };
  });

/** After them, what is shown is old. */
const WAKES = ["visibilitychange", "online"];

/**
 * @param {number} [seconds]
 * @returns {string} the time in UTC; views that are seen are drawn again every so many seconds
 */
export function useNow(seconds = 20) {
  const [now, setNow] = useState(() => new Date().toISOString());
  const look = () => document.visibilityState === "visible" && setNow(new Date().toISOString());
  useListener(WAKES, look);
  useEffect(() => {
    const timer = setInterval(look, seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
  return now;
}

/**
 * @param {string} query of media
 * @returns {boolean} whether it matches; views are drawn again when that changes
 */
export function useMedia(query) {
  const [media] = useState(() => matchMedia(query));
  const [matches, setMatches] = useState(media.matches);
  useEffect(() => {
    const note = () => setMatches(media.matches);
    media.addEventListener("change", note);
    note(); // what has changed since the view was drawn
    return () => media.removeEventListener("change", note);
  }, [media]);
  return matches;
}
