// Changes the user's password, which ends all their sessions, and logs in again with the new one.

import { h } from "preact";
import { request } from "../api/client.js";
import { toast } from "../state/notices.js";
import { forgetTokens, logIn, session } from "../state/session.js";
import { Dialog } from "../ui/dialog.js";
import { Field, Refusal, useSending } from "../ui/form.js";

const FIELDS = ["oldPassword", "newPassword"];

/** @param {{onClose: () => void}} props */
export function PasswordDialog({ onClose }) {
  const { user } = session.value;
  const { isBusy, errors, problem, onSubmit } = useSending(async (body) => {
    await request("POST", "/me/password", { body });
    forgetTokens();
    onClose();
    await logIn(user?.email ?? "", body.newPassword ?? "");
    toast("Your password is changed. You are logged out everywhere else.");
  });
  return h(
    Dialog,
    { title: "Change password", onClose, class: "narrow" },
    h(
      "form",
      { class: "form", onSubmit, noValidate: true },
      h(
        "div",
        { class: "dialog-body" },
        h(Refusal, { problem, fields: FIELDS }),
        // For password managers, which else would not know whose passwords these are.
        h("input", { hidden: true, readOnly: true, autocomplete: "username", value: user?.email }),
        h(Field, {
          name: "oldPassword",
          label: "Old password",
          type: "password",
          error: errors.oldPassword,
          required: true,
          autocomplete: "current-password",
          "data-autofocus": true,
        }),
        h(Field, {
          name: "newPassword",
          label: "New password",
          type: "password",
          hint: "8 characters or more, and not a common one.",
          error: errors.newPassword,
          required: true,
          autocomplete: "new-password",
        }),
      ),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button", onClick: onClose }, "Back"),
        h(
          "button",
          { type: "submit", class: "button primary", "aria-disabled": isBusy },
          "Change password",
        ),
      ),
    ),
  );
}
