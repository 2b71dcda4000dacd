// On a phone: the last step of an assignment.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { chooseDriver, choosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { button } from "../ui/button.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { RouteOf } from "./panel.js";

/** @param {{loadId: number, driverId: number}} props */
export function ConfirmBar({ loadId, driverId }) {
  const load = fleet.value.loads.get(loadId);
  const driver = fleet.value.drivers.get(driverId);
  const yes = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => yes.current?.focus(), [driverId]);
  if (!load || !driver) return null;
  return h(
    "div",
    { class: "confirm-bar", role: "group", "aria-label": t("Confirm") },
    h("p", null, h("b", null, isolate(driver.name)), h(RouteOf, { load })),
    button(t("Back"), () => choosing.set({ driverId: null })),
    button(t("Assign"), () => chooseDriver(driver), "primary", { ref: yes }),
  );
}
