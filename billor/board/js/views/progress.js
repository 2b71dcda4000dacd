// How far drivers are: the steps of a load on the road, since when, and where they waited.

import { isolate } from "../ui/text.js";
import { minuteTime, shortTime, since } from "../ui/times.js";
import { t } from "../ui/words.js";

export const CHECK_IN_NAMES = {
  ACCEPTED: t("Accepted"),
  AT_PICKUP: t("At pickup"),
  LOADED: t("Loaded"),
  AT_DELIVERY: t("At delivery"),
  DELAYED: t("Delayed"),
};

export const STEP_NAMES = { ...CHECK_IN_NAMES, DELIVERED: t("Delivered") };

/**
 * @param {{kind: keyof typeof STEP_NAMES, expectedAt?: string | null, reason?: string | null}} checkIn
 * @returns {string} what it says
 */
export const stepOf = ({ kind, expectedAt, reason }) =>
  expectedAt && reason
    ? t("Delayed until {time}: {reason}", { time: shortTime(expectedAt), reason: isolate(reason) })
    : STEP_NAMES[kind];

/** @param {Assignment} assignment @param {string} now @returns {string} the step, and since when */
export function progressOf({ progress, progressAt, assignedAt }, now) {
  const stay = { time: since(progressAt ?? assignedAt, now) };
  /** @type {Record<string, string>} */
  const stays = {
    ACCEPTED: t("Accepted {time} ago", stay),
    AT_PICKUP: t("At pickup for {time}", stay),
    LOADED: t("Loaded {time} ago", stay),
    AT_DELIVERY: t("At delivery for {time}", stay),
  };
  return stays[progress ?? ""] ?? t("On the road {time}", stay);
}

/**
 * @param {Assignment} assignment
 * @param {CheckIn[]} checkIns as they happened
 * @param {string} now
 * @returns {Array<[string, string]>} where the driver waited, and how long: what detention is for
 */
export function waitsOf({ status, closedAt }, checkIns, now) {
  /** @param {CheckInKind} kind */
  const timeOf = (kind) => checkIns.find((checkIn) => checkIn.kind === kind)?.happenedAt;
  const left = checkIns.find(({ kind }) => kind === "LOADED" || kind === "AT_DELIVERY")?.happenedAt;
  const delivered = status === "COMPLETED" ? closedAt : null;
  /** @type {Array<[string, string | undefined, string | null | undefined]>} */
  const waits = [
    [t("Time at pickup"), timeOf("AT_PICKUP"), left ?? delivered],
    [t("Time at delivery"), timeOf("AT_DELIVERY"), delivered],
  ];
  return waits.flatMap(([name, from, to]) =>
    from && from < (to ?? now) ? [[name, waitOf(from, to, now)]] : [],
  );
}

/** @param {string} from @param {string | null | undefined} to @param {string} now */
const waitOf = (from, to, now) =>
  to
    ? t("{time}, from {from} to {to}", {
        time: since(from, to),
        from: minuteTime(from),
        to: shortTime(to),
      })
    : t("{time}, since {from}", { time: since(from, now), from: minuteTime(from) });
