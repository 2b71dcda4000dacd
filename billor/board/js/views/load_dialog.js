// Creates a load, or changes one.

import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { request } from "../api/client.js";
import { fleet } from "../state/fleet.js";
import { conflictingLoad, toast } from "../state/notices.js";
import { Field } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField, zoneName } from "../ui/times.js";
import { ConflictLink } from "./notices.js";

/** @import {Problem} from "../api/client.js" */
/** @import {Load} from "../types.js" */
/** @import {Trouble} from "../state/notices.js" */

const FIELDS = ["origin", "destination", "cargoType", "reference", "pickupAt", "deliverBy"];

/** @param {{load?: Load, onSaved?: () => void, onClose: () => void}} props */
export function LoadDialog({ load, onSaved, onClose }) {
  return h(FormDialog, {
    title: load ? `Change load ${load.id}` : "New load",
    action: load ? "Save" : "Create load",
    fields: FIELDS,
    onClose,
    about: (problem) => h(Conflict, { problem }),
    send: async (fields, key) => {
      const body = bodyOf(fields);
      const { data } = load
        ? await request("PATCH", `/loads/${load.id}`, { key, body: changesOf(load, body) })
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

/** @param {{problem: Problem}} props */
function Conflict({ problem }) {
  const [conflict, setConflict] = useState(/** @type {Trouble["conflict"]} */ (null));
  useEffect(() => {
    setConflict(null);
    conflictingLoad(problem).then(setConflict);
  }, [problem]);
  return h(ConflictLink, { trouble: { conflict } });
}
