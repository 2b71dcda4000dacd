// Says why a load is on the road again that was completed by mistake.

import { h } from "preact";
import { reopen } from "../state/actions.js";
import { FormDialog } from "../ui/form_dialog.js";
import { t } from "../ui/words.js";

/** @param {{assignment: Assignment, onClose: () => void}} props */
export const ReopenDialog = ({ assignment, onClose }) =>
  h(FormDialog, {
    title: t("Reopen load {id}", { id: assignment.loadId }),
    action: t("Reopen"),
    onClose,
    send: async ({ reason }) => void reopen(assignment, reason),
    fields: [{ name: "reason", label: t("Reason"), required: true }],
  });
