// What is done to several loads at once, with what became of each.

import { h } from "preact";
import { useState } from "preact/hooks";
import { request } from "../api/client.js";
import { conflictInWords } from "../api/words.js";
import { close, setStatus } from "../state/actions.js";
import { fleet } from "../state/fleet.js";
import { driverOptions, freeDrivers } from "../state/people.js";
import { clearSelection, selected } from "../state/selection.js";
import { useStore } from "../state/store.js";
import { button, submit } from "../ui/button.js";
import { Dialog } from "../ui/dialog.js";
import { optionOf, Refusal, useSending } from "../ui/form.js";
import { Table } from "../ui/table.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { openDialog } from "./dialogs.js";
import { RouteOf } from "./panel.js";

/** A load that waits has no assignment. @typedef {{load: Load, assignment?: Assignment}} Item */
/** Why loads were refused, by their ids; empty for those that were not. @typedef {Map<number, string>} Outcomes */

/**
 * @typedef {object} Kind
 * @property {string} title @property {string} action what the button says
 * @property {boolean} isDriven whether it is done to loads on the road
 * @property {string} done what becomes of a load
 * @property {(items: Item[], fields: Record<string, string>, key: string) => Promise<Outcomes>} send
 */

/** @type {Kind[]} */
const KINDS = [
  {
    title: t("Assign these loads"),
    action: t("Assign"),
    isDriven: false,
    done: t("Assigned"),
    send: assignAll,
  },
  {
    title: t("Cancel these loads?"),
    action: t("Cancel loads"),
    isDriven: false,
    done: t("Cancelled"),
    send: (items) => each(items, ({ load }) => setStatus(load, "CANCELLED")),
  },
  {
    title: t("Cancel these assignments?"),
    action: t("Cancel assignments"),
    isDriven: true,
    done: t("Waits again"),
    send: (items) =>
      each(items, async ({ assignment }) => assignment && close(assignment, "CANCELLED")),
  },
];

/** Stands below the lists, which it would move. */
export function SelectionBar() {
  useStore(fleet);
  const all = selected();
  return h(
    "div",
    { class: "selection-bar", role: "group", "aria-label": t("Selected loads") },
    h("b", { role: "status" }, t("{count} selected", { count: all.length })),
    KINDS.map((kind) => {
      const items = all.filter(({ assignment }) => kind.isDriven === Boolean(assignment));
      const open = () => openDialog(BulkDialog, { ...kind, items });
      return button(kind.action, open, "small", { key: kind.action, disabled: !items.length });
    }),
    button(t("Done"), clearSelection, "small"),
  );
}

/** @param {Kind & {items: Item[], onClose: () => void}} props */
function BulkDialog({ title, action, done, send, items, onClose }) {
  const [free] = useState(freeDrivers);
  const [chosen, setChosen] = useState(/** @type {Record<string, string>} */ ({}));
  const [outcomes, setOutcomes] = useState(/** @type {Outcomes | null} */ (null));
  const { isBusy, problem, onSubmit } = useSending(async (fields, key) => {
    setChosen(fields);
    setOutcomes(await send(items, fields, key));
    fleet.tell();
    clearSelection();
  });
  /** @param {Item} item */
  const driverOf = ({ load: { id }, assignment }) =>
    send === assignAll && !outcomes
      ? h(
          "select",
          { name: id, "aria-label": t("Driver for load {id}", { id }) },
          driverOptions(free).map(optionOf("")),
        )
      : nameOf(assignment?.driverId ?? Number(chosen[id]));
  /** @param {Item} item */
  const outcomeOf = ({ load }) => {
    const refusal = outcomes?.get(load.id);
    if (refusal) return h("span", { class: "late" }, refusal);
    return refusal === undefined ? t("Waits on") : done;
  };
  return h(
    Dialog,
    {
      title: outcomes ? t("Outcome") : title,
      onClose,
      onSubmit,
      foot: !outcomes && submit(action, { "aria-disabled": isBusy }),
    },
    h(Refusal, { problem, fields: [] }),
    h(
      "div",
      { role: "status" },
      h(Table, {
        label: t("Selected loads"),
        columns: {
          [t("Load")]: (/** @type {Item} */ { load }) => [`${load.id}: `, h(RouteOf, { load })],
          [t("Driver")]: driverOf,
          ...(outcomes && { [t("Outcome")]: outcomeOf }),
        },
        rows: items,
        keyOf: ({ load }) => load.id,
      }),
    ),
  );
}

/** @param {number} driverId */
const nameOf = (driverId) => isolate(fleet.value.drivers.get(driverId)?.name ?? "");

/**
 * @param {Item[]} items
 * @param {(item: Item) => Promise<string | void>} run returns why it was refused
 * @returns {Promise<Outcomes>}
 */
async function each(items, run) {
  const all = items.map(async (item) => [item.load.id, (await run(item)) ?? ""]);
  return new Map(/** @type {Array<[number, string]>} */ (await Promise.all(all)));
}

/** @type {Kind["send"]} */
async function assignAll(_, fields, key) {
  const pairs = Object.entries(fields);
  if (pairs.length === 0) return new Map();
  const assignments = pairs.map((pair) => ({ loadId: Number(pair[0]), driverId: Number(pair[1]) }));
  const { data } = await request("POST", "/assignments/bulk", { key, body: { assignments } });
  const times = { assignedAt: new Date().toISOString(), closedAt: null };
  return new Map(
    data.rows.map((/** @type {any} */ { loadId, driverId, assignmentId: id, error }) => {
      if (error) return [loadId, conflictInWords(error)];
      fleet.value.putAssignment({ id, loadId, driverId, status: "ASSIGNED", ...times });
      return [loadId, ""];
    }),
  );
}
