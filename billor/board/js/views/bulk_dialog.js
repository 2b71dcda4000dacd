// Assigns several loads at once, and says at each what became of it.

import { h } from "preact";
import { useState } from "preact/hooks";
import { request } from "../api/client.js";
import { conflictInWords } from "../api/words.js";
import { fleet } from "../state/fleet.js";
import { driverOptions, freeDrivers } from "../state/people.js";
import { clearSelection } from "../state/selection.js";
import { submit } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { optionOf, Refusal, useSending } from "../ui/form.js";
import { Table } from "../ui/table.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { RouteOf } from "./panel.js";

/** What became of a load. @typedef {{text: string, look: string}} Outcome */

/** @param {{loads: Load[], onClose: () => void}} props */
export function BulkDialog({ loads, onClose }) {
  const [free] = useState(freeDrivers);
  const [chosen, setChosen] = useState(/** @type {Record<string, string>} */ ({}));
  const [outcomes, setOutcomes] = useState(/** @type {Map<number, Outcome> | null} */ (null));
  const { isBusy, problem, onSubmit } = useSending(async (fields, key) => {
    setOutcomes(await assignAll(fields, key, free));
    fleet.tell();
    clearSelection();
  });
  const count = Object.values(chosen).filter(Boolean).length;
  /** @param {number} id */
  const shown = (id) => {
    const { text, look } = outcomes?.get(id) ?? { text: t("Waits on"), look: "" };
    return outcomes ? h("span", { class: look }, text) : h(Choice, { id, free, chosen, setChosen });
  };
  return h(
    Dialog,
    {
      title:
        loads.length === 1
          ? t("Assign one load")
          : t("Assign {count} loads", { count: loads.length }),
      onClose,
      onSubmit,
      foot:
        !outcomes &&
        submit(t("Assign {count}", { count }), { disabled: count === 0, "aria-disabled": isBusy }),
    },
    h(Refusal, { problem, fields: [] }),
    h(
      "div",
      { role: "status" },
      h(Table, {
        label: t("Selected loads"),
        columns: {
          [t("Load")]: (/** @type {Load} */ load) => [`${load.id}: `, h(RouteOf, { load })],
          [t("Driver")]: (/** @type {Load} */ { id }) => shown(id),
        },
        rows: loads,
      }),
    ),
  );
}

/**
 * @param {object} props
 * @param {number} props.id of the load
 * @param {Driver[]} props.free
 * @param {Record<string, string>} props.chosen drivers by load
 * @param {(chosen: Record<string, string>) => void} props.setChosen
 */
function Choice({ id, free, chosen, setChosen }) {
  const mine = chosen[id] ?? "";
  const taken = new Set(Object.values(chosen));
  const left = free.filter((driver) => !taken.has(`${driver.id}`) || `${driver.id}` === mine);
  return h(
    "select",
    {
      name: id,
      "aria-label": t("Driver for load {id}", { id }),
      onInput: (/** @type {Event} */ event) =>
        setChosen({
          ...chosen,
          [id]: /** @type {HTMLSelectElement} */ (event.currentTarget).value,
        }),
    },
    driverOptions(left).map(optionOf(mine)),
  );
}

/**
 * @param {Record<string, string>} fields drivers by load
 * @param {string} key @param {Driver[]} free
 * @returns {Promise<Map<number, Outcome>>} by load
 */
async function assignAll(fields, key, free) {
  const pairs = Object.entries(fields).map(([loadId, driverId]) => ({
    loadId: Number(loadId),
    driverId: Number(driverId),
  }));
  const { data } = await request("POST", "/assignments/bulk", {
    key,
    body: { assignments: pairs },
  });
  const times = { assignedAt: new Date().toISOString(), closedAt: null };
  return new Map(
    data.rows.map((/** @type {any} */ { loadId, driverId, assignmentId: id, error }) => {
      if (error) return [loadId, { text: conflictInWords(error), look: "late" }];
      fleet.value.putAssignment({ id, loadId, driverId, status: "ASSIGNED", ...times });
      const name = free.find((driver) => driver.id === driverId)?.name ?? "";
      return [loadId, { text: t("Assigned to {driver}", { driver: isolate(name) }), look: "" }];
    }),
  );
}
