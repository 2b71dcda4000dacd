// When loads are due: how late they are, how soon they will be, or when.

import { h } from "preact";
import { address } from "../state/address.js";
import { dueAt, urgencyAt } from "../state/due.js";
import { icon } from "../ui/icons.js";
import { fullTime, minuteTime, shortTime, since } from "../ui/times.js";
import { t } from "../ui/words.js";

/** @import {Assignment, Load} from "../types.js" */

/**
 * Words and a sign say it, too: not everybody sees colours.
 *
 * @param {{deadline: string | null, now: string}} props
 */
export function Urgency({ deadline, now }) {
  const urgency = urgencyAt(now)(deadline);
  if (!deadline || !urgency) return null;
  const isLate = urgency === "late";
  const text = isLate
    ? t("Late by {time}", { time: since(deadline, now) })
    : t("Due in {time}", { time: since(now, deadline) });
  return h("span", { class: `urgency ${urgency}` }, icon(isLate ? "warning" : "clock"), text);
}

/**
 * The deadline of a row, and below it the next one, or how long the load has been there.
 *
 * @param {{item: {load: Load, assignment?: Assignment}, now: string}} props
 */
export function When({ item, now }) {
  const { load, assignment } = item;
  const { pickupAt, deliverBy, createdAt } = load;
  const due = dueAt(item);
  const isUrgent = urgencyAt(now)(due) !== "";
  const isPickup = due === pickupAt;
  const showsStay = address.value.sort === "waiting" || (assignment && !isUrgent);
  const start = assignment?.assignedAt ?? createdAt;
  return h(
    "div",
    { class: "when" },
    due &&
      h(
        "time",
        {
          dateTime: due,
          title: isPickup
            ? t("Pickup {time}", { time: minuteTime(due) })
            : t("Deliver by {time}", { time: minuteTime(due) }),
        },
        isUrgent ? h(Urgency, { deadline: due, now }) : dueText(due, isPickup),
      ),
    showsStay &&
      h(
        "time",
        { class: "meta", dateTime: start, title: t("Since {time}", { time: fullTime(start) }) },
        assignment
          ? t("On the road {time}", { time: since(start, now) })
          : t("Waiting {time}", { time: since(start, now) }),
      ),
    !showsStay &&
      deliverBy &&
      (isPickup || isUrgent) &&
      h(
        "time",
        {
          class: "meta",
          dateTime: deliverBy,
          title: t("Deliver by {time}", { time: minuteTime(deliverBy) }),
        },
        dueText(deliverBy, false),
      ),
  );
}

/** @param {string} time @param {boolean} isPickup */
const dueText = (time, isPickup) =>
  isPickup ? shortTime(time) : t("by {time}", { time: shortTime(time) });
