// Times as people read and type them, in the company's time zone, or else this device's.

import { LOCALE } from "./words.js";

const DAY_MILLISECONDS = 86_400_000;

export const TIME_ZONE = companyZone() ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @returns {string | null} null also where this browser does not know it */
function companyZone() {
  const timeZone = document.querySelector("meta[name=time-zone]")?.getAttribute("content");
  try {
    return timeZone ? new Intl.DateTimeFormat("en", { timeZone }) && timeZone : null;
  } catch {
    return null;
  }
}

/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => new Intl.DateTimeFormat(LOCALE, { timeZone: TIME_ZONE, ...options });

/** @type {Intl.DateTimeFormatOptions} */
const CLOCK = { hour: "numeric", minute: "2-digit", timeZoneName: "short" };
/** @type {Intl.DateTimeFormatOptions} */
const DATED = { day: "numeric", month: "short", year: "numeric", ...CLOCK };
const TIME = format(CLOCK);
const WEEKDAY = format({ weekday: "short", ...CLOCK });
const DAY = format({ day: "numeric", month: "short", ...CLOCK });
const MINUTE = format(DATED);
const WINDOW = format({ weekday: "short", ...DATED });
const FULL = format({ dateStyle: "medium", timeStyle: "long" });
const DATE = format({ day: "numeric", month: "short", timeZone: "UTC" });
const FULL_DATE = format({ dateStyle: "medium", timeZone: "UTC" });
const DAYS_FROM_NOW = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });
const ZONE = format({ timeZoneName: "short" });
const ZONE_OF_NO_DATE = format({ timeZoneName: "shortGeneric" });
const PARTS = new Intl.DateTimeFormat("en-US", {
  ...{ year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" },
  hourCycle: "h23",
  timeZone: TIME_ZONE,
});

/**
 * @param {string | null} time
 * @returns {string} the zone's short name at that time, such as CST or CDT; without a time, CT
 */
export function zoneName(time) {
  const parts = time ? ZONE.formatToParts(new Date(time)) : ZONE_OF_NO_DATE.formatToParts();
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? TIME_ZONE;
}

/**
 * @param {string | number} time
 * @returns {number} the minute that clocks in the zone show then, as if they showed UTC
 */
function wallClock(time) {
  const parts = PARTS.formatToParts(new Date(time)).map(({ type, value }) => [type, Number(value)]);
  const { year, month, day, hour, minute } = Object.fromEntries(parts);
  return Date.UTC(year, month - 1, day, hour, minute);
}

/**
 * @param {string} time
 * @returns {string} as short as it is clear: a date, unless it is today or later in this week
 */
export function shortTime(time) {
  const [then, now] = [wallClock(time), wallClock(Date.now())];
  const today = Math.floor(now / DAY_MILLISECONDS);
  const days = Math.floor(then / DAY_MILLISECONDS) - today;
  const daysUntilSunday = 6 - ((today + 3) % 7);
  const isThisYear = new Date(then).getUTCFullYear() === new Date(now).getUTCFullYear();
  const clear = days > 0 && days <= daysUntilSunday ? WEEKDAY : isThisYear ? DAY : MINUTE;
  return (days === 0 ? TIME : clear).format(new Date(time));
}

/** @param {string} time */
export const fullTime = (time) => FULL.format(new Date(time));

/** @param {string} time that people have set */
export const minuteTime = (time) => MINUTE.format(new Date(time));

/** @param {string} from @param {string} to @returns {string} such as Mon, Nov 30, 8:00 – 10:00 AM */
export const windowTime = (from, to) => WINDOW.formatRange(new Date(from), new Date(to));

/** @param {string} date of a day, such as 2026-11-26 */
export const dayName = (date) => DATE.format(new Date(date));

/** @param {string} date of a day */
export const fullDate = (date) => FULL_DATE.format(new Date(date));

/** @param {string} date @param {string} now @returns {number} of days until then */
export const daysUntil = (date, now) =>
  Date.parse(date) / DAY_MILLISECONDS - Math.floor(wallClock(now) / DAY_MILLISECONDS);

/** @param {number} days @returns {string} such as tomorrow, in 12 days */
export const inDays = (days) => DAYS_FROM_NOW.format(days, "day");

/** @param {number} seconds @returns {string} such as 45 s, 12 min, 3 h 05, 2 d 4 h */
export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) return `${Math.max(0, Math.round(seconds))} s`;
  if (hours < 1) return `${minutes} min`;
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** @param {string} time @param {string} now @returns {string} how long it has been since then */
export const since = (time, now) => duration((Date.parse(now) - Date.parse(time)) / 1000);

/** @param {string | null} time @returns {string} as a field of type `datetime-local` has it */
export const toLocalField = (time) =>
  time ? new Date(wallClock(time)).toISOString().slice(0, 16) : "";

/**
 * @param {string} value of such a field
 * @returns {string | null} RFC 3339 in UTC: the first of two such times; null where clocks skip it
 */
export function fromLocalField(value) {
  const wall = Date.parse(`${value}Z`);
  if (Number.isNaN(wall)) return null;
  const found = [-DAY_MILLISECONDS, DAY_MILLISECONDS]
    .map((days) => 2 * wall + days - wallClock(wall + days)) // by the offset of a day before, after
    .find((time) => wallClock(time) === wall);
  return found === undefined ? null : new Date(found).toISOString();
}
