// Check-ins that a dispatcher makes for a driver.

import { newKey, request } from "../api/client.js";
import { t } from "../ui/words.js";
import { toast } from "./notices.js";
import { tell } from "./people.js";

/**
 * @param {Assignment} assignment @param {object} body @param {string} key
 * @returns {Promise<void>} Raises `Problem`.
 */
export async function checkIn({ id, loadId }, body, key) {
  const path = `/assignments/${id}/check-ins`;
  const { data } = await request("POST", path, { key, body });
  const undo = () =>
    tell(
      () => request("DELETE", `${path}/${data.id}`, { key: newKey() }),
      t("Check-in for load {id} undone.", { id: loadId }),
    );
  toast(t("Check-in for load {id} saved.", { id: loadId }), { loadId, undo });
}
