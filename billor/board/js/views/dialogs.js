// The dialog that is open, and the questions before an assignment begins or ends.

import { h } from "preact";
import { close } from "../state/actions.js";
import { chooseDriver } from "../state/choosing.js";
import { Store, useStore } from "../state/store.js";
import { Question } from "../ui/dialog.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { RouteOf } from "./panel.js";

/** @typedef {(props: any) => VNode} View */

/** @type {Store<{open: {View: View, props: object} | null}>} */
const dialogs = new Store({ open: /** @type {{View: View, props: object} | null} */ (null) });

/**
 * @template Props
 * @param {(props: Props) => VNode} View @param {Omit<Props, "onClose">} props
 */
export const openDialog = (View, props) => dialogs.set({ open: { View, props } });

/** At once: the focus goes back before anything changes. */
const onClose = () => {
  dialogs.set({ open: null });
  dialogs.tellNow();
};

export function Dialogs() {
  const { open } = useStore(dialogs);
  return open && h(open.View, { ...open.props, onClose });
}

/** @param {Omit<Parameters<typeof Question>[0], "onClose">} question */
export const ask = (question) => openDialog(Question, question);

/** @param {Load} load the chosen one @param {{driver: Driver, assignment?: Assignment}} to */
export const askToGive = (load, { driver, assignment }) =>
  ask({
    title: assignment
      ? t("Plan load {id} as next?", { id: load.id })
      : t("Assign load {id}?", { id: load.id }),
    yes: assignment ? t("Plan as next") : t("Assign"),
    onYes: () => chooseDriver(driver),
    children: [h("b", null, isolate(driver.name)), ": ", h(RouteOf, { load })],
  });

/** @param {{load: Load, driver: Driver, assignment: Assignment}} of */
export const askToComplete = ({ load, driver, assignment }) =>
  ask({
    title: t("Complete load {id}?", { id: load.id }),
    yes: t("Complete"),
    onYes: () => close(assignment, "COMPLETED"),
    children: t("{driver} has delivered {route}", whose(load, driver)),
  });

/** @param {{load: Load, driver: Driver, assignment: Assignment}} of */
export const askToGiveBack = ({ load, driver, assignment }) =>
  ask({
    title: t("Give load {id} back?", { id: load.id }),
    yes: t("Give back"),
    onYes: () => close(assignment, "CANCELLED"),
    children: t("{driver} is free again, and this waits: {route}", whose(load, driver)),
  });

/** @param {Load} load @param {Driver} driver */
const whose = (load, driver) => ({
  driver: h("b", null, isolate(driver.name)),
  route: h(RouteOf, { load }),
});
