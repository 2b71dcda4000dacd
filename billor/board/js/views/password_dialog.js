// Changes the user's password, which ends all their sessions, and logs in again with the new one.

import { h } from "preact";
import { request } from "../api/client.js";
import { toast } from "../state/notices.js";
import { logIn, session } from "../state/session.js";
import { FormDialog } from "../ui/form_dialog.js";
import { t } from "../ui/words.js";

export const PASSWORD_HINT = t("8 characters or more, and not a common one.");

/** @type {FieldProps} */
export const NEW_PASSWORD = {
  name: "newPassword",
  label: t("New password"),
  type: "password",
  hint: PASSWORD_HINT,
  required: true,
  autocomplete: "new-password",
};

/** @param {{onClose: () => void}} props */
export function PasswordDialog({ onClose }) {
  const { user } = session.value;
  return h(
    FormDialog,
    {
      title: t("Change password"),
      action: t("Change password"),
      onClose,
      send: async (body) => {
        await request("POST", "/me/password", { body });
        await logIn(user?.email ?? "", body.newPassword ?? "");
        toast(t("Your password is changed. You are logged out everywhere else."));
      },
      fields: [
        {
          name: "oldPassword",
          label: t("Old password"),
          type: "password",
          required: true,
          autocomplete: "current-password",
        },
        NEW_PASSWORD,
      ],
    },
    // For password managers, which else would not know whose passwords these are.
    h("input", { hidden: true, readOnly: true, autocomplete: "username", value: user?.email }),
  );
}
