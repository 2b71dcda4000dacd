// When loads are due: how late they are, how soon they will be, or when.

import { h } from "preact";
import { address } from "../state/address.js";
import { dueAt, pickupBy, urgencyAt } from "../state/due.js";
import { icon } from "../ui/icons.js";
import { fullTime, minuteTime, shortTime, since } from "../ui/times.js";
import { t } from "../ui/words.js";
import { progressOf } from "./progress.js";

/**
 * Words and a sign say it, too: not everybody sees colours.
 * @param {{look: Urgency, title?: string, children?: Children}} props
 */
export const Mark = ({ look, title, children }) =>
  h(
    "span",
    { class: `urgency ${look}`, title },
    icon(look === "late" ? "warning" : "clock"),
    children,
  );

/**
 * @param {{deadline: string | null, now: string, isPickup?: boolean}} props
 */
export function Urgency({ deadline, now, isPickup }) {
  const urgency = urgencyAt(now)(deadline);
  if (!deadline || !urgency) return null;
  const isLate = urgency === "late";
  const time = isLate ? since(deadline, now) : since(now, deadline);
  const late = isPickup ? t("Pickup {time} late", { time }) : t("Late by {time}", { time });
  const soon = isPickup ? t("Pickup in {time}", { time }) : t("Due in {time}", { time });
  return h(Mark, { look: urgency }, isLate ? late : soon);
}

/**
 * The deadline of a row, and below it how far the driver is, how long the load has waited, or when
 * it is due.
 * @param {{item: {load: Load, assignment?: Assignment}, now: string}} props
 */
export function When({ item, now }) {
  const { load, assignment } = item;
  const due = dueAt(item);
  const isUrgent = urgencyAt(now)(due) !== "";
  const isPickup = !assignment && pickupBy(load) !== null;
  const urgency = isUrgent && h(Urgency, { deadline: due, now, isPickup });
  const showsStay =
    address.value.sort === "waiting" || (assignment && (!isUrgent || assignment.progress));
  const showsDelivery = !showsStay && (isPickup || isUrgent);
  const start = assignment?.progressAt ?? assignment?.assignedAt ?? load.createdAt;
  return h(
    "div",
    { class: "when" },
    due && h(Due, { time: (isPickup && load.pickupAt) || due, isPickup }, urgency),
    showsStay &&
      h(
        "time",
        { class: "meta", dateTime: start, title: t("Since {time}", { time: fullTime(start) }) },
        assignment ? progressOf(assignment, now) : t("Waiting {time}", { time: since(start, now) }),
      ),
    showsDelivery && load.deliverBy && h(Due, { time: load.deliverBy, look: "meta" }),
  );
}

/**
 * @param {object} props
 * @param {string} props.time
 * @param {boolean} [props.isPickup]
 * @param {string} [props.look]
 * @param {Children} [props.children] instead of the time
 */
function Due({ time, isPickup, look, children }) {
  const [full, short] = [{ time: minuteTime(time) }, shortTime(time)];
  return h(
    "time",
    {
      class: look,
      dateTime: time,
      title: isPickup ? t("Pickup {time}", full) : t("Deliver by {time}", full),
    },
    children || (isPickup ? short : t("by {time}", { time: short })),
  );
}
