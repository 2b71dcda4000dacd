// Says what delays a load, and when it is expected now.

import { h } from "preact";
import { useState } from "preact/hooks";
import { onText } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { fromLocalField, toLocalField } from "../ui/times.js";
import { t } from "../ui/words.js";

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
 * @param {(delay: {kind: "DELAYED", reason: string, expectedAt: string}, key: string) => unknown}
 *   props.send Raises `Problem`.
 * @param {() => void} props.onClose
 */
export function DelayDialog({ expectedAt, send, onClose }) {
  const [chosen, setChosen] = useState("");
  const other = { name: OTHER, label: t("What is it?"), required: true };
  return h(FormDialog, {
    title: t("What delays the load?"),
    action: t("Delayed"),
    class: "narrow",
    onClose,
    send: async ({ reason = "", [OTHER]: words = reason, expectedAt: time = "" }, key) => {
      await send({ kind: "DELAYED", reason: words, expectedAt: fromLocalField(time) ?? "" }, key);
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
