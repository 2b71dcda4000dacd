// For admins: creates a user, changes one, or sets a new password.

import { h } from "preact";
import { useState } from "preact/hooks";
import { fleet } from "../state/fleet.js";
import { toast } from "../state/notices.js";
import { driverOptions, saveUser } from "../state/people.js";
import { useStore } from "../state/store.js";
import { onText } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { PASSWORD_HINT } from "./password_dialog.js";
import { ROLE_NAMES } from "./what_happened.js";

/** It can be read, so that it can be told. @type {FieldProps} */
const PASSWORD = {
  name: "password",
  label: t("Password"),
  hint: `${PASSWORD_HINT} ${t("Tell it to them; they can change it.")}`,
  required: true,
  autocomplete: "off",
};

/** @param {{user?: User, onClose: () => void}} props */
export function UserDialog({ user, onClose }) {
  const [role, setRole] = useState(/** @type {string} */ (user?.role ?? "DISPATCHER"));
  const drivers = [...useStore(fleet).drivers.values()]
    .filter(({ id, status }) => status === "ACTIVE" || id === user?.driverId)
    .sort((one, other) => one.name.localeCompare(other.name));
  /** @type {FieldProps[]} */
  const account = [
    { name: "email", label: t("Email"), type: "email", required: true },
    {
      ...PASSWORD,
      required: false,
      hint: t("Without one they are mailed an invitation, and choose it themselves."),
    },
  ];
  /** @type {FieldProps} */
  const driver = {
    name: "driverId",
    label: t("Driver"),
    value: String(user?.driverId ?? ""),
    options: driverOptions(drivers),
    required: true,
  };
  return h(FormDialog, {
    title: user ? t("Change {name}", { name: isolate(user.name) }) : t("New person"),
    action: user ? t("Save") : t("Create"),
    onClose,
    send: async ({ driverId, ...body }, key) => {
      const driving = role === "DRIVER" ? { driverId: Number(driverId) || null } : {};
      const name = isolate((await saveUser(user, { ...body, ...driving }, key)).name);
      const created = body.password
        ? t("{name} may log in.", { name })
        : t("{name} is invited.", { name });
      toast(user ? t("{name} changed.", { name }) : created);
    },
    fields: [
      { name: "name", label: t("Name"), value: user?.name, required: true },
      {
        name: "role",
        label: t("Role"),
        value: user?.role ?? "DISPATCHER",
        options: Object.entries(ROLE_NAMES),
        required: true,
        onInput: onText(setRole),
      },
      ...(role === "DRIVER" ? [driver] : []),
      ...(user ? [] : account),
    ],
  });
}

/** @param {{user: User, onClose: () => void}} props */
export function ResetDialog({ user, onClose }) {
  const name = isolate(user.name);
  return h(FormDialog, {
    title: t("New password for {name}", { name }),
    action: t("Set password"),
    onClose,
    send: async ({ password = "" }, key) => {
      await saveUser(user, { password }, key);
      toast(t("{name} is logged out, and can log in with the new password.", { name }));
    },
    fields: [PASSWORD],
  });
}
