// What happened, in a dispatcher's words.

import { h } from "preact";
import { inWords, nameOf } from "../api/words.js";
import { DOCUMENT_NAMES } from "../state/documents.js";
import { isolate } from "../ui/text.js";
import { fullDate, shortTime } from "../ui/times.js";
import { weightText } from "../ui/weight.js";
import { LANGUAGES, t } from "../ui/words.js";
import { DriverLink } from "./page.js";
import { stepOf } from "./progress.js";

/** @type {Record<string, string>} */
export const ROLE_NAMES = {
  ADMIN: t("Admin"),
  DISPATCHER: t("Dispatcher"),
  DRIVER: t("Driver"),
};

const PAPER_NAMES = { license: t("license"), medical: t("medical card") };

/** What was done, by the names of the API. @type {Record<string, string>} */
const SENTENCES = {
  LOAD_CREATED: t("created the load"),
  LOAD_UPDATED: t("changed the load"),
  LOAD_CANCELLED: t("cancelled the load"),
  LOAD_COMMENTED: t("commented"),
  LOAD_PLANNED: t("planned the load as the next one for {driver}"),
  ASSIGNED: t("assigned the load to {driver}"),
  LOAD_COMPLETED: t("completed the load of {driver}"),
  ASSIGNMENT_CANCELLED: t("cancelled the assignment of {driver}"),
  ASSIGNMENT_REOPENED: t("reopened the assignment of {driver}: {reason}"),
  CHECKED_IN: t("checked in “{step}”"),
  CHECK_IN_UNDONE: t("undid the check-in “{step}”"),
  DRIVER_CREATED: t("created the driver"),
  DRIVER_UPDATED: t("changed the driver"),
  PAPERS_EXPIRE: t("warned that a paper of {driver} expires on {date}: {paper}"),
  DOCUMENT_ADDED: t("added a document: {document}"),
  DOCUMENT_REMOVED: t("deleted a document: {document}"),
  NOTIFICATION_SENT: t("sent a message to {recipient}"),
  NOTIFICATION_FAILED: t("could not deliver a message to {recipient}: {reason}"),
  USER_CREATED: t("created {name}"),
  USER_INVITED: t("invited {name}"),
  USER_UPDATED: t("changed the name"),
  ROLE_CHANGED: t("changed the role of {name} to {role}"),
  PASSWORD_CHANGED: t("changed the password of {name}"),
  PASSWORD_RESET_REQUESTED: t("was asked to reset the password of {name}"),
  MAIL_SENT: t("mailed {recipient}"),
  MAIL_FAILED: t("could not deliver a message to {recipient}: {reason}"),
  USER_DEACTIVATED: t("deactivated {name}"),
  USER_REACTIVATED: t("brought back {name}"),
  SESSIONS_ENDED: t("logged out {name} everywhere"),
  REFRESH_TOKEN_REUSED: t("ended a login of {name}: it was copied"),
  API_KEY_CREATED: t("made the API key {key}"),
  API_KEY_REVOKED: t("revoked the API key {key}"),
  WEBHOOK_DISABLED: t("disabled webhook {webhook}, which did not answer for days"),
  LOGIN_BLOCKED: t("blocked logins of {name}, after wrong passwords from {address}"),
};

/** @param {string} reason of a notification's failure, such as a status of mail */
const failureOf = (reason) =>
  reason.startsWith("55")
    ? t("the address was refused ({code})", { code: reason })
    : inWords(reason);

/**
 * @param {{type: string, payload: Payload}} entry
 * @returns {Children} what was done to a load, a driver or an account
 */
export function whatHappened({ type, payload }) {
  const { load, driver, account, address, reason, recipient, checkIn, comment } = payload;
  const { paper, expiresOn, document } = payload;
  if (comment?.visibleToDriver && !comment.byDriver) return t("wrote to the driver");
  const isMail = type === "NOTIFICATION_SENT" && payload.channel === "EMAIL";
  const sentence =
    SENTENCES[isMail ? "MAIL_SENT" : type] ?? type.toLowerCase().replaceAll("_", " ");
  const parts = {
    driver: driver ? h(DriverLink, { driver }) : t("a driver"),
    name: account ? isolate(account.name) : t("an unknown account"),
    role: ROLE_NAMES[account?.role ?? ""] ?? "",
    address: address ?? t("somewhere"),
    key: isolate(payload.apiKey?.name ?? ""),
    webhook: String(payload.webhook?.id ?? ""),
    reason: type.endsWith("_FAILED") ? failureOf(reason ?? "") : isolate(reason ?? ""),
    document: document ? `${DOCUMENT_NAMES[document.kind]}, ${isolate(document.name)}` : "",
    recipient: isolate(recipient ?? ""),
    step: checkIn ? stepOf(checkIn) : "",
    paper: paper ? PAPER_NAMES[paper] : "",
    date: expiresOn ? fullDate(expiresOn) : "",
  };
  if (type === "ASSIGNED" && payload.planned)
    return t("started the planned load of {driver}", parts);
  const changed = type.endsWith("_UPDATED") && changes(payload, load ?? driver ?? account);
  return changed || t(sentence, parts);
}

/** @param {TimelineEntry | AuditDocument} entry @returns {Children} who did it */
export function whoOf(entry) {
  const user = "user" in entry ? entry.user : entry.payload.user;
  return user ? isolate(user.name) : t("The system");
}

/**
 * @param {Payload} payload @param {object | undefined} after
 * @returns {Children} nothing if none of the fields has a name
 */
function changes({ before = {}, load, driver }, after) {
  if (load && before.status === "CANCELLED") return t("reopened the load");
  if (!load && before.status)
    return driver?.status === "ACTIVE" ? t("brought back the driver") : t("deactivated the driver");
  const names = Object.keys(before).filter((name) => nameOf(name) !== name);
  const each = names.map((name) =>
    t("“{field}” from {before} to {after}", {
      field: nameOf(name),
      before: readable(name, before),
      after: readable(name, after),
    }),
  );
  return each.length > 0 && t("changed {fields}", { fields: each.join(", ") });
}

/** @param {string} name @param {object | undefined} fields @param {string} [nothing] */
export function readable(name, fields, nothing = t("none")) {
  const known = /** @type {Record<string, unknown>} */ (fields ?? {});
  const value = known[`${name}Shown`] ?? known[name];
  if (value === null || value === undefined || value === "") return nothing;
  if (/At$|To$|From$|By$/.test(name)) return shortTime(String(value));
  if (/On$/.test(name)) return fullDate(String(value));
  if (name === "language") return LANGUAGES[/** @type {keyof typeof LANGUAGES} */ (value)];
  return name === "weightKg" ? weightText(Number(value)) : isolate(String(value));
}
