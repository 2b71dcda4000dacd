// Creates a load, or changes one.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { nameOf } from "../api/words.js";
import { assign } from "../state/actions.js";
import { fleet } from "../state/fleet.js";
import { useGot } from "../state/got.js";
import { reasonOf, toast } from "../state/notices.js";
import { driverOptions, freeDrivers, save } from "../state/people.js";
import { changesOf } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField } from "../ui/times.js";
import { fromWeightField, LIMITS, toWeightField, UNIT } from "../ui/weight.js";
import { t } from "../ui/words.js";
import { Reason } from "./notices.js";

const TIMES = /** @type {const} */ (["pickupAt", "pickupTo", "deliverFrom", "deliverBy"]);
const TEXTS = [
  ...["origin", "destination", "cargoType", "reference", "equipment", "notes"],
  ...["pickupContact", "pickupPhone", "deliveryContact", "deliveryPhone"],
];
const EQUIPMENT = [
  ...[t("Dry van"), t("Reefer"), t("Flatbed"), t("Step deck"), t("Tanker"), t("Container")],
  ...[t("Box truck"), t("Power only")],
];

/**
 * @param {object} props
 * @param {Load} [props.load] the one to change, with all of its fields
 * @param {Load} [props.copy] without one to change: what a new one has, but for its times
 * @param {() => void} [props.onSaved] @param {() => void} props.onClose
 */
export function LoadDialog({ load, copy, onSaved, onClose }) {
  const shown = useRef(load);
  const typed = load ? typedOf(load) : copy ? copyOf(typedOf(copy)) : {};
  // Whose driver is under way goes on to the same place.
  const fixed = { required: true, readOnly: load?.status === "ASSIGNED" };
  const free = load ? [] : freeDrivers();
  const options = driverOptions(free);
  /** @param {string} name @param {Partial<FieldProps>} [more] */
  const field = (name, more) => ({ name, label: nameOf(name), value: typed[name] ?? "", ...more });
  const weight = { label: t("Weight ({unit})", { unit: UNIT }), type: "number", ...LIMITS };
  return h(FormDialog, {
    title: load ? t("Change load {id}", { id: load.id }) : t("New load"),
    action: load ? t("Save") : t("Create load"),
    class: "",
    onClose,
    about: (problem) => h(Conflict, { problem, load }),
    send: async ({ driverId, ...fields }, key) => {
      const body = bodyOf(fields);
      const changes = load ? changesOf(bodyOf(typed), body) : body;
      const data = await save("/loads", shown, changes, key);
      fleet.value.putLoad(data);
      fleet.tell();
      toast(load ? t("Load {id} changed.", data) : t("Load {id} created.", data));
      const driver = free.find(({ id }) => String(id) === driverId);
      if (driver) assign(data, driver);
      onSaved?.();
    },
    fields: [
      field("origin", fixed),
      field("destination", fixed),
      field("cargoType", fixed),
      field("reference"),
      field("pickupAt", TIME),
      field("deliverBy", TIME),
      ...(free.length ? [field("driverId", { options })] : []),
    ],
    more: [
      field("pickupTo", TIME),
      field("deliverFrom", TIME),
      field("weightKg", weight),
      field("equipment", { suggestions: EQUIPMENT }),
      field("pickupContact", OF_OTHERS),
      field("pickupPhone", { type: "tel", ...OF_OTHERS }),
      field("deliveryContact", OF_OTHERS),
      field("deliveryPhone", { type: "tel", ...OF_OTHERS }),
      field("notes", { type: "lines" }),
    ],
  });
}

const TIME = { type: "datetime-local" };
/** Browsers would fill in the dispatcher's own. */
const OF_OTHERS = { autocomplete: "off" };

/** @typedef {Record<string, string | undefined>} Typed */

/** @param {Load} load @returns {Typed} as the fields of the form have it */
function typedOf(load) {
  const { weightKg, pickupPhoneShown, deliveryPhoneShown } = load;
  return {
    ...Object.fromEntries(Object.entries(load).filter(([, value]) => typeof value === "string")),
    ...Object.fromEntries(TIMES.map((name) => [name, toLocalField(load[name])])),
    weightKg: toWeightField(weightKg),
    pickupPhone: pickupPhoneShown ?? "",
    deliveryPhone: deliveryPhoneShown ?? "",
  };
}

/** @param {Typed} typed @returns {Typed} what another load with the same cargo has, too */
const copyOf = ({ reference, pickupAt, pickupTo, deliverFrom, deliverBy, ...typed }) => typed;

/** @param {Typed} typed @returns {Record<string, unknown>} */
const bodyOf = (typed) => ({
  ...Object.fromEntries(TEXTS.map((name) => [name, typed[name] || null])),
  ...Object.fromEntries(TIMES.map((name) => [name, fromLocalField(typed[name] ?? "")])),
  weightKg: fromWeightField(typed.weightKg ?? ""),
});

/** @param {{problem: import("../api/client.js").Problem, load?: Load | undefined}} props */
export function Conflict({ problem, load }) {
  const { data: reason } = useGot(() => reasonOf(problem, load?.id), [problem]);
  return [
    reason && h(Reason, reason),
    problem.code === "precondition_failed" &&
      h("p", null, t("Save again to keep your change, too.")),
  ];
}
