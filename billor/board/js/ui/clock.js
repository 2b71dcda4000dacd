// The time, as views need it.

import { useEffect, useState } from "preact/hooks";

/**
 * @param {number} [seconds]
 * @returns {string} the time in UTC; views are drawn again every so many seconds
 */
export function useNow(seconds = 20) {
  const [now, setNow] = useState(() => new Date().toISOString());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date().toISOString()), seconds * 1000);
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
