// Creates a driver.

import { h } from "preact";
import { request } from "../api/client.js";
import { fleet } from "../state/fleet.js";
import { toast } from "../state/notices.js";
import { Dialog } from "../ui/dialog.js";
import { Field, Refusal, useSending } from "../ui/form.js";

/** @param {{onClose: () => void}} props */
export function DriverDialog({ onClose }) {
  const { isBusy, errors, problem, onSubmit } = useSending(async (body, key) => {
    const { data } = await request("POST", "/drivers", { key, body });
    fleet.value.putDriver(data);
    fleet.tell();
    toast(`${data.name} is free for loads.`);
    onClose();
  });
  return h(
    Dialog,
    { title: "New driver", onClose, class: "narrow" },
    h(
      "form",
      { class: "form", onSubmit, noValidate: true },
      h(
        "div",
        { class: "dialog-body" },
        h(Refusal, { problem, fields: ["name", "licenseNumber"] }),
        h(Field, {
          name: "name",
          label: "Name",
          error: errors.name,
          required: true,
          "data-autofocus": true,
        }),
        h(Field, {
          name: "licenseNumber",
          label: "License number",
          error: errors.licenseNumber,
          required: true,
        }),
      ),
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button", onClick: onClose }, "Back"),
        h(
          "button",
          { type: "submit", class: "button primary", "aria-disabled": isBusy },
          "Create driver",
        ),
      ),
    ),
  );
}
