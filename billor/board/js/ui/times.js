// Times as people read them, in the time zone of this device.

/** @param {Intl.DateTimeFormatOptions} options */
const format = (options) => new Intl.DateTimeFormat(undefined, options);

const TIME = format({ hour: "numeric", minute: "2-digit" });
const WEEKDAY = format({ weekday: "short", hour: "numeric", minute: "2-digit" });
const DAY = format({ day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
const FULL = format({
  dateStyle: "medium",
  timeStyle: "long",
});
const MINUTE = format({
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "numeric",
  minute: "2-digit",
  timeZoneName: "short",
});
const DATE = format({ day: "numeric", month: "short" });
const ZONE = format({ timeZoneName: "short" });

export const TIME_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone's short name, such as CST. */
export const zoneName = () =>
  ZONE.formatToParts(new Date()).find((part) => part.type === "timeZoneName")?.value ?? TIME_ZONE;

/** @param {Date} date */
const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/**
 * @param {string | Date} time
 * @returns {string} such as 14:03, Fri 14:03, or 12 Dec, 14:03: as short as it is clear
 */
export function shortTime(time, now = new Date()) {
  const date = new Date(time);
  const days = Math.round((midnight(date) - midnight(now)) / 86_400_000);
  if (days === 0) return TIME.format(date);
  return Math.abs(days) < 7 ? WEEKDAY.format(date) : DAY.format(date);
}

/** @param {string} time */
export const fullTime = (time) => FULL.format(new Date(time));

/** @param {string} time that people have set */
export const minuteTime = (time) => MINUTE.format(new Date(time));

/** @param {Date} time */
export const clockTime = (time) => TIME.format(time);

/** @param {string} date of a day, such as 2026-11-26 */
export const dayName = (date) => DATE.format(new Date(`${date}T12:00:00`));

/**
 * @param {number} seconds
 * @returns {string} such as 45 s, 12 min, 3 h 05, 2 d 4 h
 */
export function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) return `${Math.max(0, Math.round(seconds))} s`;
  if (hours < 1) return `${minutes} min`;
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")}`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/**
 * @param {string} time
 * @param {string} now
 * @returns {string} how long it has been since then
 */
export const since = (time, now) => duration((Date.parse(now) - Date.parse(time)) / 1000);

/**
 * @param {string | null} time
 * @returns {string} as a field of type `datetime-local` has it
 */
export function toLocalField(time) {
  if (!time) return "";
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/**
 * @param {string} value of such a field
 * @returns {string | null} RFC 3339 in UTC
 */
export const fromLocalField = (value) => (value ? new Date(value).toISOString() : null);
