// Creates a driver, or changes one, or asks a driver how to be notified.

import { h } from "preact";
import { useRef } from "preact/hooks";
import { request } from "../api/client.js";
import { nameOf } from "../api/words.js";
import { toast } from "../state/notices.js";
import { saveDriver } from "../state/people.js";
import { changesOf } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { isolate } from "../ui/text.js";
import { LANGUAGES, t } from "../ui/words.js";
import { Conflict } from "./load_dialog.js";

/** @type {Record<string, Partial<FieldProps>>} */
const FIELDS = {
  name: { required: true },
  licenseNumber: { required: true },
  phone: { type: "tel", autocomplete: "off" },
  email: { type: "email", autocomplete: "off" },
  notifyBy: {
    options: [
      ["", t("By message, else by mail")],
      ["PHONE", t("By message")],
      ["EMAIL", t("By mail")],
      ["PUSH", t("By push on the phone")],
    ],
  },
  language: {
    options: Object.entries(LANGUAGES),
    hint: t("For notifications."),
    required: true,
  },
  licenseExpiresOn: { type: "date" },
  medicalExpiresOn: { type: "date" },
  notes: { type: "lines", hint: t("Drivers do not see them.") },
};
const NAMES = Object.keys(FIELDS);

/** @param {{driver?: Driver, onClose: () => void}} props */
export function DriverDialog({ driver, onClose }) {
  const shown = useRef(driver);
  /** @type {Record<string, any>} */
  const typed = { language: "en", ...driver, phone: driver?.phoneShown };
  return h(FormDialog, {
    title: driver ? t("Change driver {id}", { id: driver.id }) : t("New driver"),
    action: driver ? t("Save") : t("Create driver"),
    class: "",
    onClose,
    about: (problem) => h(Conflict, { problem }),
    send: async (fields, key) => {
      const changes = changesOf(bodyOf(typed), bodyOf(fields));
      const name = isolate((await saveDriver(shown, changes, key)).name);
      toast(driver ? t("{name} changed.", { name }) : t("{name} is free for loads.", { name }));
    },
    fields: NAMES.map((name) => fieldOf(name, typed)),
  });
}

/** @param {string} name @param {Record<string, any>} typed @returns {FieldProps} */
const fieldOf = (name, typed) => ({
  ...{ name, label: nameOf(name), value: typed[name] ?? "" },
  ...FIELDS[name],
});

/** @param {Record<string, any>} typed */
const bodyOf = (typed) => Object.fromEntries(NAMES.map((name) => [name, typed[name] || null]));

/** @param {{shown: Pick<Driver, "notifyBy" | "language">, onClose: () => void}} props */
export const ChannelDialog = ({ shown, onClose }) =>
  h(FormDialog, {
    title: t("Notifications"),
    action: t("Save"),
    onClose,
    send: async ({ notifyBy = null, language }, key) => {
      await request("PATCH", "/me/notifications", { key, shown, body: { notifyBy, language } });
      toast(t("Saved."));
    },
    fields: [fieldOf("notifyBy", shown), fieldOf("language", shown)],
  });
