// What the API says about fields and conflicts, in a dispatcher's words.

/** The labels of fields. @type {Record<string, string>} */
const NAMES = {
  origin: "From",
  destination: "To",
  cargoType: "Cargo type",
  reference: "Reference",
  pickupAt: "Pickup",
  deliverBy: "Deliver by",
  licenseNumber: "License number",
};

export const MISSING = "Fill this in.";

/** By the beginning of the API's message; `$1` is a part of it. @type {Array<[RegExp, string]>} */
const MESSAGES = [
  [/^Missing data.*|^Field may not be null.*|^Shorter than minimum length 1\b.*/, MISSING],
  [/^Must not be before `pickupAt`.*/, "This is before the pickup. Enter a later time."],
  [/^Not a time of RFC 3339.*/, "Enter a date and a time."],
  [
    /^(?:Longer than maximum length|Length must be between 1 and) (\d+).*/,
    "At most $1 characters.",
  ],
  [/^Length must be between (\d+) and (\d+).*/, "Between $1 and $2 characters."],
  [/^Must be one of: .*|^Not a valid choice.*/, "Choose one of the list."],
];

/** @type {Record<string, string>} */
const CONFLICTS = {
  precondition_failed: "Somebody else has changed this meanwhile.",
  driver_already_assigned: "The driver has an active load.",
  load_already_assigned: "This load has a driver.",
  load_not_open: "This load is no longer waiting.",
  driver_inactive: "This driver is not active.",
  load_not_editable: "This load is on the road or completed, so it cannot be changed.",
  assignment_not_active: "This load is no longer on the road with this driver.",
  no_active_assignment: "You have no load now.",
};

/** @param {string} field */
export const nameOf = (field) => NAMES[field] ?? field;

/** @param {string} message of the API */
export const inWords = (message) =>
  MESSAGES.reduce((text, [pattern, words]) => text.replace(pattern, words), message);

/** @param {{code: string, detail: string}} problem */
export const conflictInWords = ({ code, detail }) => CONFLICTS[code] ?? detail;
