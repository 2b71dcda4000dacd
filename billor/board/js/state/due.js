// What is due next, and which loads are late or soon will be.

/** A load is due soon in the last two hours before its deadline. */
const SOON_MILLISECONDS = 2 * 60 * 60 * 1000;

/** @param {string} now @returns {(deadline: string | null) => Urgency} */
export function urgencyAt(now) {
  const soon = new Date(Date.parse(now) + SOON_MILLISECONDS).toISOString();
  return (deadline) => {
    if (deadline === null || deadline > soon) return "";
    return deadline < now ? "late" : "soon";
  };
}

/**
 * @param {{load: Load, assignment?: Assignment}} item
 * @returns {string | null} the deadline: of a load that waits the end of its pickup, if it has one,
 *   and of one on the road the time that its last delay has set
 */
export const dueAt = ({ load, assignment }) =>
  assignment ? (assignment.expectedAt ?? load.deliverBy) : (pickupBy(load) ?? load.deliverBy);

/** @param {Load} load @returns {string | null} when it must have been picked up */
export const pickupBy = ({ pickupAt, pickupTo }) => pickupTo ?? pickupAt;

/** Of what lists are sorted by, the earliest first. */
export const SORTS = {
  "": dueAt,
  pickup: (/** @type {{load: Load}} */ { load }) => load.pickupAt,
  delivery: (/** @type {{load: Load}} */ { load }) => load.deliverBy,
  waiting: (/** @type {{load: Load, assignment?: Assignment}} */ { load, assignment }) =>
    assignment?.assignedAt ?? load.createdAt,
};

/**
 * Sort by a time; those without one are last.
 * @template {{load: Load}} Item
 * @param {Item[]} items @param {(item: Item) => string | null} timeOf
 */
export const sortByTime = (items, timeOf) =>
  items.sort((one, other) => {
    const [time, otherTime] = [timeOf(one) ?? LAST, timeOf(other) ?? LAST];
    return time === otherTime ? one.load.id - other.load.id : time < otherTime ? -1 : 1;
  });

/** After all times. */
const LAST = "~";
