// Creates a driver, or changes one.

import { h } from "preact";
import { toast } from "../state/notices.js";
import { saveDriver } from "../state/people.js";
import { FormDialog } from "../ui/form_dialog.js";
import { isolate } from "../ui/text.js";

/** @import {Driver} from "../types.js" */

/** @param {{driver?: Driver, onClose: () => void}} props */
export function DriverDialog({ driver, onClose }) {
  return h(FormDialog, {
    title: driver ? `Change driver ${driver.id}` : "New driver",
    action: driver ? "Save" : "Create driver",
    class: "narrow",
    onClose,
    send: async (body, key) => {
      const name = isolate((await saveDriver(driver, body, key)).name);
      toast(driver ? `${name} changed.` : `${name} is free for loads.`);
    },
    fields: [
      { name: "name", label: "Name", value: driver?.name, required: true, "data-autofocus": true },
      {
        name: "licenseNumber",
        label: "License number",
        value: driver?.licenseNumber,
        required: true,
      },
    ],
  });
}
