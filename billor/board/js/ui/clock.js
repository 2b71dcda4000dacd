// The time, as views need it.

import { useEffect, useState } from "preact/hooks";

/** After them, what is shown is old. */
const WAKES = ["visibilitychange", "online"];

/**
 * @param {number} [seconds]
 * @returns {string} the time in UTC; views that are seen are drawn again every so many seconds
 */
export function useNow(seconds = 20) {
  const [now, setNow] = useState(() => new Date().toISOString());
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && setNow(new Date().toISOString());
    const timer = setInterval(look, seconds * 1000);
    for (const name of WAKES) addEventListener(name, look);
    return () => {
      clearInterval(timer);
      for (const name of WAKES) removeEventListener(name, look);
    };
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
