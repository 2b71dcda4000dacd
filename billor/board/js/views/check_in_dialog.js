// Says how far a driver is, or what delays the load, for a driver who has called.

import { h } from "preact";
import { useState } from "preact/hooks";
import { newKey, request } from "../api/client.js";
import { toast } from "../state/notices.js";
import { tell } from "../state/people.js";
import { onText } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField } from "../ui/times.js";
import { t } from "../ui/words.js";
import { delayOf, useDelayFields } from "./delay_dialog.js";
import { CHECK_IN_NAMES } from "./progress.js";

const KINDS = /** @type {Array<[CheckInKind, string]>} */ (Object.entries(CHECK_IN_NAMES));

/** @param {{load: Load, assignment: Assignment, onClose: () => void}} props */
export function CheckInDialog({ load, assignment, onClose }) {
  const { progress, expectedAt } = assignment;
  const [next] = useState(nextStep(progress));
  const [kind, setKind] = useState(/** @type {string} */ (next));
  const [now] = useState(toLocalField(new Date().toISOString()));
  const delay = useDelayFields(expectedAt ?? load.deliverBy);
  return h(FormDialog, {
    title: t("Check-in for load {id}", { id: load.id }),
    action: t("Check in"),
    onClose,
    send: (fields, key) => checkIn(assignment, bodyOf(fields, now), key),
    fields: [
      {
        name: "kind",
        label: t("Step"),
        options: KINDS,
        value: next,
        required: true,
        onInput: onText(setKind),
      },
      { name: "happenedAt", label: t("When"), type: "datetime-local", value: now, required: true },
      ...(kind === "DELAYED" ? delay : []),
    ],
  });
}

/** @param {CheckInKind | null | undefined} progress */
function nextStep(progress) {
  const place = KINDS.findIndex(([kind]) => kind === progress);
  return KINDS[place + 1]?.[0] ?? "DELAYED";
}

/**
 * @param {Record<string, string>} fields
 * @param {string} now which is not sent: the API knows it to the second
 */
const bodyOf = ({ kind, happenedAt = "", ...fields }, now) => ({
  kind,
  ...(happenedAt !== now && { happenedAt: fromLocalField(happenedAt) }),
  ...(kind === "DELAYED" && delayOf(fields)),
});

/**
 * @param {Assignment} assignment @param {object} body @param {string} key
 * @returns {Promise<void>} Raises `Problem`.
 */
async function checkIn({ id, loadId }, body, key) {
  const path = `/assignments/${id}/check-ins`;
  const { data } = await request("POST", path, { key, body });
  const undo = () =>
    tell(
      () => request("DELETE", `${path}/${data.id}`, { key: newKey() }),
      t("Check-in for load {id} undone.", { id: loadId }),
    );
  toast(t("Check-in for load {id} saved.", { id: loadId }), { loadId, undo });
}
