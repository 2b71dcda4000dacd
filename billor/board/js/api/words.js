// What the API says, in a dispatcher's words. Whole messages that need no others are translated by
// the dictionaries alone.

import { fullDate } from "../ui/times.js";
import { t } from "../ui/words.js";

/** The labels of fields. @type {Record<string, string>} */
const NAMES = {
  origin: t("From"),
  destination: t("To"),
  cargoType: t("Cargo type"),
  reference: t("Reference"),
  pickupAt: t("Pickup"),
  pickupTo: t("Pickup until"),
  deliverFrom: t("Deliver from"),
  deliverBy: t("Deliver by"),
  weightKg: t("Weight"),
  equipment: t("Equipment"),
  pickupContact: t("Pickup contact"),
  pickupPhone: t("Pickup phone"),
  deliveryContact: t("Delivery contact"),
  deliveryPhone: t("Delivery phone"),
  text: t("Comment"),
  name: t("Name"),
  licenseNumber: t("License number"),
  email: t("Email"),
  phone: t("Phone"),
  notes: t("Notes"),
  notifyBy: t("Notifications"),
  language: t("Language"),
  licenseExpiresOn: t("License expires on"),
  medicalExpiresOn: t("Medical card expires on"),
  password: t("Password"),
  role: t("Role"),
  driverId: t("Driver"),
};

export const MISSING = t("Fill this in.");

/** By the beginning of the API's message; `$1` is a part of it. @type {Array<[RegExp, string]>} */
const MESSAGES = [
  [/^Missing data.*|^Field may not be null.*|^Shorter than minimum length 1\b.*/, MISSING],
  [/^Must not be before `pickupAt`.*/, t("This is before the pickup. Enter a later time.")],
  [/^Must not be before `deliverFrom`.*/, t("The delivery window ends before it starts.")],
  [/^Not a date like.*/, t("Enter a date.")],
  [/^Must not be before `happenedAt`.*/, t("Enter a later time.")],
  [/^Must not be in the future.*/, t("This is in the future. Enter when it happened.")],
  [/^The assignment was not active at that time.*/, t("The driver did not have this load then.")],
  [/^Not a time of RFC 3339.*/, t("Enter a date and a time.")],
  [/^The year must be.*/, t("Enter a year between 2000 and 2100.")],
  [/^Longer than maximum length (\d+).*/, t("At most $1 characters.")],
  [/^Length must be between 1 and (\d+).*/, t("At most $1 characters.")],
  [/^Shorter than minimum length (\d+).*/, t("At least $1 characters.")],
  [/^Length must be between (\d+) and (\d+).*/, t("Between $1 and $2 characters.")],
  [/^Must be one of: .*|^Not a valid choice.*/, t("Choose one of the list.")],
  [/^A user of role DRIVER.*/, t("Choose a driver who has no other account.")],
  [/^Must not contain U.*/, t("This has a character that cannot be seen.")],
  [/^Must not mix letters.*/, t("This mixes letters of two scripts that look alike.")],
  [/^Has (\d+) columns, but.*/, t("This row has $1 columns, more than the first row.")],
  [/^The cell has the error (.*)\.$/, t("The cell has the error $1.")],
  [/^A cell has more.*/, t("A cell is too long. Shorten it.")],
  [/^Row (\d+) is not CSV.*/, t("Row $1 is not CSV. Put quotes around cells with commas.")],
  [/^Line (\d+) is not UTF-8.*/, t("Line $1 is not UTF-8. Save the file as CSV in UTF-8.")],
  [/^No row names the columns (.*)\. P.*/, t("Put the names of the columns above the loads: $1.")],
  [/^Name each column once: (.*)\.$/, t("Name each column once: $1.")],
  [/^The file has more than ([\d,]+) rows.*/, t("The file has more than $1 rows. Split it.")],
  [/^Too many attempts.* (\d+) seconds\.$/, t("Too many attempts. Try again in $1 s.")],
];

/** Instead of what the API says with these codes. @type {Record<string, string>} */
const CONFLICTS = {
  precondition_failed: t("Somebody else has changed this meanwhile."),
  driver_already_assigned: t("The driver has an active load."),
  load_already_assigned: t("This load has a driver."),
  driver_already_planned: t(
    "The driver has a next load. Cancel that plan, or give it to another driver.",
  ),
  load_already_planned: t(
    "This load is planned for a driver. Cancel the plan, or give it to another driver.",
  ),
  load_not_open: t("This load is no longer waiting."),
  driver_papers_expired: t(
    "A paper of the driver has expired. Check its date, or choose another driver.",
  ),
  driver_inactive: t("This driver is not active."),
  load_not_editable: t("This load is on the road or completed, so it cannot be changed."),
  assignment_not_active: t("This load is no longer on the road with this driver."),
  no_active_assignment: t("You have no load now."),
  load_not_found: t("There is no such load."),
  driver_not_found: t("There is no such driver."),
  user_not_found: t("There is no such person."),
  assignment_not_found: t("There is no such assignment."),
  email_taken: t("Another person has this email address."),
  license_number_taken: t("Another driver has this license number."),
  reference_taken: t("Another load has this reference."),
  validation_failed: t("Some fields are not valid: see below."),
  document_refused: t("This is not a whole photo (JPEG, PNG, WebP or HEIC) or PDF."),
  document_not_found: t("There is no such document. Somebody may have deleted it."),
  documents_unavailable: t("Documents cannot be reached now. Try again soon."),
  body_too_large: t("This is too large. Split it."),
  unsupported_media_type: t("Such a file cannot be read. Save it as CSV or .xlsx."),
  reset_token_invalid: t("The link was used before, or is too old. Ask for another one."),
  internal_error: t("Something went wrong. Try again."),
};

/** @param {string} field */
export const nameOf = (field) => NAMES[field] ?? field;

/** @param {string} message of the API */
export const inWords = (message) =>
  MESSAGES.reduce((text, [pattern, words]) => text.replace(pattern, words), t(message));

/** @param {Pick<ProblemBody, "code" | "detail" | "paper" | "expiredOn">} problem */
export function conflictInWords({ code, detail, paper, expiredOn }) {
  const date = expiredOn && fullDate(expiredOn);
  const words = inWords(detail); // some say more than their code
  if (!date) return words === detail ? (CONFLICTS[code] ?? detail) : words;
  return paper === "license"
    ? t("The driver's license expired on {date}.", { date })
    : t("The driver's medical card expired on {date}.", { date });
}
