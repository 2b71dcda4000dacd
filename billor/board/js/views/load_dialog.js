// Creates a load, or changes one.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { get, Problem, request } from "../api/client.js";
import { assign } from "../state/actions.js";
import { fleet } from "../state/fleet.js";
import { useGot } from "../state/got.js";
import { reasonOf, toast } from "../state/notices.js";
import { driverOptions, freeDrivers } from "../state/people.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField } from "../ui/times.js";
import { t } from "../ui/words.js";
import { Reason } from "./notices.js";

/**
 * @param {object} props
 * @param {Load} [props.load] the one to change
 * @param {Load} [props.copy] without one to change: where a new one goes, and its cargo
 * @param {() => void} [props.onSaved] @param {() => void} props.onClose
 */
export function LoadDialog({ load, copy, onSaved, onClose }) {
  const shown = useRef(load);
  const route = load ?? copy;
  // Whose driver is under way goes on to the same place.
  const fixed = { required: true, readOnly: load?.status === "ASSIGNED" };
  const free = load ? [] : freeDrivers();
  const options = driverOptions(free);
  return h(FormDialog, {
    title: load ? t("Change load {id}", { id: load.id }) : t("New load"),
    action: load ? t("Save") : t("Create load"),
    onClose,
    about: (problem) => h(Conflict, { problem, load }),
    send: async ({ driverId, ...fields }, key) => {
      const body = bodyOf(fields);
      const { data } = load
        ? await change(shown, key, changesOf(load, body))
        : await request("POST", "/loads", { key, body });
      fleet.value.putLoad(data);
      fleet.tell();
      toast(load ? t("Load {id} changed.", data) : t("Load {id} created.", data));
      const driver = free.find(({ id }) => String(id) === driverId);
      if (driver) assign(data, driver);
      onSaved?.();
    },
    fields: [
      { name: "origin", label: t("From"), value: route?.origin, ...fixed },
      { name: "destination", label: t("To"), value: route?.destination, ...fixed },
      { name: "cargoType", label: t("Cargo type"), value: route?.cargoType, ...fixed },
      { name: "reference", label: t("Reference"), value: load?.reference ?? "" },
      timeField("pickupAt", t("Pickup"), load?.pickupAt),
      timeField("deliverBy", t("Deliver by"), load?.deliverBy),
      ...(free.length ? [{ name: "driverId", label: t("Driver"), options }] : []),
    ],
  });
}

/** @param {string} name @param {string} label @param {string | null} [time] */
const timeField = (name, label, time = null) => ({
  name,
  label,
  type: "datetime-local",
  value: toLocalField(time),
});

/**
 * Change a load as it was shown. Another change since then is told, and then taken as seen.
 * @param {{current: any}} shown @param {string} key @param {object} body
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
const bodyOf = ({ reference, ...texts }) => ({
  ...texts,
  reference: reference || null,
  ...timesOf(texts),
});

/** @param {{pickupAt?: string, deliverBy?: string}} fields */
const timesOf = ({ pickupAt = "", deliverBy = "" }) => ({
  pickupAt: fromLocalField(pickupAt),
  deliverBy: fromLocalField(deliverBy),
});

/**
 * Return what differs from the load: what somebody else has changed meanwhile stays.
 * @param {Load} load @param {ReturnType<typeof bodyOf>} body
 */
function changesOf({ pickupAt, deliverBy, ...known }, body) {
  const typed = { pickupAt: toLocalField(pickupAt), deliverBy: toLocalField(deliverBy) };
  /** @type {Record<string, unknown>} */
  const before = { ...known, ...timesOf(typed) };
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== before[name]));
}

/** @param {{problem: Problem, load?: Load}} props */
function Conflict({ problem, load }) {
  const { data: reason } = useGot(() => reasonOf(problem, load?.id), [problem]);
  return [
    reason && h(Reason, reason),
    problem.code === "precondition_failed" &&
      h("p", null, t("Save again to keep your change, too.")),
  ];
}
