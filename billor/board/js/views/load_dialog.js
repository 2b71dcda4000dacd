// Creates a load, or changes one.

import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem, request } from "../api/client.js";
import { fleet } from "../state/fleet.js";
import { reasonOf, toast } from "../state/notices.js";
import { Field } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField, zoneName } from "../ui/times.js";
import { Reason } from "./notices.js";

/** @import {Load} from "../types.js" */
/** @import {Trouble} from "../state/notices.js" */

const FIELDS = ["origin", "destination", "cargoType", "reference", "pickupAt", "deliverBy"];

/** @param {{load?: Load, onSaved?: () => void, onClose: () => void}} props */
export function LoadDialog({ load, onSaved, onClose }) {
  const shown = useRef(load);
  return h(FormDialog, {
    title: load ? `Change load ${load.id}` : "New load",
    action: load ? "Save" : "Create load",
    fields: FIELDS,
    onClose,
    about: (problem) => h(Conflict, { problem, load }),
    send: async (fields, key) => {
      const body = bodyOf(fields);
      const { data } = load
        ? await change(shown, key, changesOf(load, body))
        : await request("POST", "/loads", { key, body });
      fleet.value.putLoad(data);
      fleet.tell();
      toast(load ? `Load ${data.id} changed.` : `Load ${data.id} created.`);
      onSaved?.();
    },
    children: (errors) => [
      h(
        "div",
        { class: "pair", key: "route" },
        h(Field, {
          name: "origin",
          label: "From",
          value: load?.origin,
          error: errors.origin,
          required: true,
          "data-autofocus": true,
        }),
        h(Field, {
          name: "destination",
          label: "To",
          value: load?.destination,
          error: errors.destination,
          required: true,
        }),
      ),
      h(
        "div",
        { class: "pair", key: "cargo" },
        h(Field, {
          name: "cargoType",
          label: "Cargo type",
          value: load?.cargoType,
          error: errors.cargoType,
          required: true,
        }),
        h(Field, {
          name: "reference",
          label: "Reference",
          value: load?.reference ?? "",
          error: errors.reference,
        }),
      ),
      h(
        "div",
        { class: "pair", key: "times" },
        h(Field, {
          name: "pickupAt",
          label: `Pickup (${zoneName()})`,
          type: "datetime-local",
          value: toLocalField(load?.pickupAt ?? null),
          error: errors.pickupAt,
        }),
        h(Field, {
          name: "deliverBy",
          label: `Deliver by (${zoneName()})`,
          type: "datetime-local",
          value: toLocalField(load?.deliverBy ?? null),
          error: errors.deliverBy,
        }),
      ),
    ],
  });
}

/**
 * Change a load as it was shown. Another change since then is told, and then taken as seen.
 *
 * @param {{current: any}} shown
 * @param {string} key
 * @param {object} body
 */
async function change(shown, key, body) {
  const path = `/loads/${shown.current.id}`;
  try {
    return await request("PATCH", path, { key, body, shown: shown.current });
  } catch (error) {
    if (error instanceof Problem && error.code === "precondition_failed")
      shown.current = await get(path);
    throw error;
  }
}

/** @param {Record<string, string>} fields */
function bodyOf({ reference, pickupAt, deliverBy, ...texts }) {
  return {
    ...texts,
    reference: reference || null,
    pickupAt: fromLocalField(pickupAt ?? ""),
    deliverBy: fromLocalField(deliverBy ?? ""),
  };
}

/**
 * Return what differs from the load: what somebody else has changed meanwhile stays.
 *
 * @param {Load} load
 * @param {Record<string, string | null>} body
 */
function changesOf(load, body) {
  const known = /** @type {Record<string, any>} */ (load);
  const before = {
    ...known,
    pickupAt: fromLocalField(toLocalField(load.pickupAt)),
    deliverBy: fromLocalField(toLocalField(load.deliverBy)),
  };
  return Object.fromEntries(
    Object.entries(body).filter(([name, value]) => value !== /** @type {any} */ (before)[name]),
  );
}

/** @param {{problem: Problem, load?: Load}} props */
function Conflict({ problem, load }) {
  const [reason, setReason] = useState(/** @type {Pick<Trouble, "conflict" | "by">} */ ({}));
  useEffect(() => {
    setReason({});
    reasonOf(problem, load?.id).then(setReason);
  }, [problem]);
  return [
    h(Reason, reason),
    problem.code === "precondition_failed" && h("p", null, "Save again to keep your change, too."),
  ];
}
