// Creates a driver, or changes one.

import { h } from "preact";
import { toast } from "../state/notices.js";
import { saveDriver } from "../state/people.js";
import { Field } from "../ui/form.js";
import { FormDialog } from "../ui/form_dialog.js";
import { isolate } from "../ui/text.js";

/** @import {Driver} from "../types.js" */

const FIELDS = ["name", "licenseNumber"];

/** @param {{driver?: Driver, onClose: () => void}} props */
export function DriverDialog({ driver, onClose }) {
  return h(FormDialog, {
    title: driver ? `Change driver ${driver.id}` : "New driver",
    action: driver ? "Save" : "Create driver",
    class: "narrow",
    fields: FIELDS,
    onClose,
    send: async (body, key) => {
      const { name } = await saveDriver(driver, body, key);
      toast(driver ? `${isolate(name)} changed.` : `${isolate(name)} is free for loads.`);
    },
    children: (errors) => [
      h(Field, {
        key: "name",
        name: "name",
        label: "Name",
        value: driver?.name,
        error: errors.name,
        required: true,
        "data-autofocus": true,
      }),
      h(Field, {
        key: "licenseNumber",
        name: "licenseNumber",
        label: "License number",
        value: driver?.licenseNumber,
        error: errors.licenseNumber,
        required: true,
      }),
    ],
  });
}
