// Creates a driver, or changes one.

import { h } from "preact";
import { toast } from "../state/notices.js";
import { saveDriver } from "../state/people.js";
import { FormDialog } from "../ui/form_dialog.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";

/** @param {{driver?: Driver, onClose: () => void}} props */
export function DriverDialog({ driver, onClose }) {
  return h(FormDialog, {
    title: driver ? t("Change driver {id}", { id: driver.id }) : t("New driver"),
    action: driver ? t("Save") : t("Create driver"),
    class: "narrow",
    onClose,
    send: async (body, key) => {
      const name = isolate((await saveDriver(driver, body, key)).name);
      toast(driver ? t("{name} changed.", { name }) : t("{name} is free for loads.", { name }));
    },
    fields: [
      { name: "name", label: t("Name"), value: driver?.name, required: true },
      {
        name: "licenseNumber",
        label: t("License number"),
        value: driver?.licenseNumber,
        required: true,
      },
    ],
  });
}
