// Creates a load, or changes one.

import { h } from "preact";
import { useEffect, useState } from "preact/hooks";
import { request } from "../api/client.js";
import { fleet } from "../state/fleet.js";
import { conflictingLoad, toast } from "../state/notices.js";
import { Dialog } from "../ui/dialog.js";
import { Field, Refusal, useSending } from "../ui/form.js";
import { fromLocalField, toLocalField, zoneName } from "../ui/times.js";
import { ConflictLink } from "./notices.js";

/** @import {Load} from "../types.js" */
/** @import {Trouble} from "../state/notices.js" */

const FIELDS = ["origin", "destination", "cargoType", "reference", "pickupAt", "deliverBy"];

/** @param {{load?: Load, onSaved?: () => void, onClose: () => void}} props */
export function LoadDialog({ load, onSaved, onClose }) {
  const { isBusy, errors, problem, onSubmit } = useSending(async (fields, key) => {
    const body = bodyOf(fields);
    const { data } = load
      ? await request("PATCH", `/loads/${load.id}`, { key, body: changesOf(load, body) })
      : await request("POST", "/loads", { key, body });
    fleet.value.putLoad(data);
    fleet.tell();
    toast(load ? `Load ${data.id} changed.` : `Load ${data.id} created.`);
    onClose();
    onSaved?.();
  });
  const conflict = useConflict(problem);
  return h(
    Dialog,
    { title: load ? `Change load ${load.id}` : "New load", onClose },
    h(
      "form",
      { class: "form", onSubmit, noValidate: true },
      h(
        "div",
        { class: "dialog-body" },
        h(Refusal, { problem, fields: FIELDS }, h(ConflictLink, { trouble: { conflict } })),
        h(
          "div",
          { class: "pair" },
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
          { class: "pair" },
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
          { class: "pair" },
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
      ),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button", onClick: onClose }, "Back"),
        h(
          "button",
          { type: "submit", class: "button primary", "aria-disabled": isBusy },
          load ? "Save" : "Create load",
        ),
      ),
    ),
  );
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

/**
 * @param {import("../api/client.js").Problem | null} problem
 * @returns {Trouble["conflict"]}
 */
function useConflict(problem) {
  const [found, setFound] = useState(/** @type {Trouble["conflict"]} */ (null));
  useEffect(() => {
    setFound(null);
    if (problem) conflictingLoad(problem).then(setFound);
  }, [problem]);
  return found;
}
