// Says what delays a load, and when it is expected now.

import { h } from "preact";
import { useState } from "preact/hooks";
import { apiTime, Problem } from "../api/client.js";
import { onText } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField } from "../ui/times.js";
import { t } from "../ui/words.js";

const MAX_LENGTH = 500;
const OTHER = "other";
const REASONS = [t("Traffic"), t("Weather"), t("Waiting at the dock")];
/** @type {Array<[string, string]>} */
const OPTIONS = [
  ["", t("Choose")],
  ...REASONS.map((reason) => /** @type {[string, string]} */ ([reason, reason])),
  [OTHER, t("Something else")],
];

/**
 * @param {object} props
 * @param {string | null} props.expectedAt as it is known so far
 * @param {(delay: {kind: "DELAYED", reason: string, expectedAt: string}) => void} props.onDelay
 * @param {() => void} props.onClose
 */
export function DelayDialog({ expectedAt, onDelay, onClose }) {
  const [chosen, setChosen] = useState("");
  const other = { name: OTHER, label: t("What is it?"), required: true, maxLength: MAX_LENGTH };
  return h(FormDialog, {
    title: t("What delays the load?"),
    action: t("Delayed"),
    class: "narrow",
    onClose,
    send: async ({ reason = "", [OTHER]: words = reason, ...fields }) => {
      const time = fromLocalField(fields.expectedAt ?? "") ?? "";
      if (Date.parse(time) < apiTime(new Date())) throw tooEarly();
      onDelay({ kind: "DELAYED", reason: words, expectedAt: time });
    },
    fields: [
      {
        name: "reason",
        label: t("Reason"),
        options: OPTIONS,
        required: true,
        onInput: onText(setChosen),
      },
      ...(chosen === OTHER ? [other] : []),
      {
        name: "expectedAt",
        label: t("Expected delivery"),
        type: "datetime-local",
        value: toLocalField(expectedAt),
        required: true,
      },
    ],
  });
}

/** As the API says, which may be asked only much later. */
const tooEarly = () =>
  new Problem({
    status: 422,
    code: "validation_failed",
    detail: "",
    errors: { expectedAt: [t("Enter a later time.")] },
  });
