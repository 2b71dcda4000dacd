// Asks a driver by which way to be notified.

import { h } from "preact";
import { request } from "../api/client.js";
import { nameOf } from "../api/words.js";
import { toast } from "../state/notices.js";
import { FormDialog } from "../ui/form_dialog.js";
import { t } from "../ui/words.js";

/** @type {Array<[string, string]>} */
export const CHANNELS = [
  ["", t("By message, else by mail")],
  ["PHONE", t("By message")],
  ["EMAIL", t("By mail")],
  ["PUSH", t("By push on the phone")],
];

/** @param {{shown: Pick<Driver, "notifyBy">, onClose: () => void}} props */
export const ChannelDialog = ({ shown, onClose }) =>
  h(FormDialog, {
    title: t("Notifications"),
    action: t("Save"),
    class: "narrow",
    onClose,
    send: async ({ notifyBy = null }, key) => {
      await request("PATCH", "/me/notifications", { key, shown, body: { notifyBy } });
      toast(t("Saved."));
    },
    fields: [
      {
        name: "notifyBy",
        label: nameOf("notifyBy"),
        options: CHANNELS,
        value: shown.notifyBy ?? "",
      },
    ],
  });
