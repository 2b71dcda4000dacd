// Says what delays a load, and when it is expected now.

import { h } from "preact";
import { useState } from "preact/hooks";
import { apiTime } from "../api/client.js";
import { onText } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField } from "../ui/times.js";
import { t } from "../ui/words.js";

const MAX_LENGTH = 500;
const OTHER = "other";
const CAUSES = [t("Traffic"), t("Weather"), t("Waiting at the dock")];
/** @type {Array<[string, string]>} */
const OPTIONS = [
  ["", t("Choose")],
  ...CAUSES.map((cause) => /** @type {[string, string]} */ ([cause, cause])),
  [OTHER, t("Something else")],
];

/** @param {string | null} expectedAt as it is known so far @returns {FieldProps[]} */
export function useDelayFields(expectedAt) {
  const [cause, setCause] = useState("");
  const [now] = useState(toLocalField(new Date(apiTime(new Date())).toISOString()));
  const known = toLocalField(expectedAt);
  const reason = { name: "reason", label: t("What is it?"), required: true, maxLength: MAX_LENGTH };
  return [
    {
      name: "cause",
      label: t("Reason"),
      options: OPTIONS,
      required: true,
      onInput: onText(setCause),
    },
    ...(cause === OTHER ? [reason] : []),
    {
      name: "expectedAt",
      label: t("Expected delivery"),
      type: "datetime-local",
      value: known > now ? known : "",
      min: now, // a phone may send it much later
      required: true,
    },
  ];
}

/** @param {Record<string, string>} fields */
export const delayOf = ({ cause = "", reason = cause, expectedAt = "" }) => ({
  reason,
  expectedAt: fromLocalField(expectedAt) ?? "",
});

/**
 * @param {object} props
 * @param {string | null} props.expectedAt as it is known so far
 * @param {(delay: {kind: "DELAYED", reason: string, expectedAt: string}) => void} props.onDelay
 * @param {() => void} props.onClose
 */
export const DelayDialog = ({ expectedAt, onDelay, onClose }) =>
  h(FormDialog, {
    title: t("What is delaying the load?"),
    action: t("Delayed"),
    onClose,
    send: async (fields) => onDelay({ kind: "DELAYED", ...delayOf(fields) }),
    fields: useDelayFields(expectedAt),
  });
