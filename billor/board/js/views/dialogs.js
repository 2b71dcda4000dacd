// Which dialog is open.

import { h } from "preact";
import { close } from "../state/actions.js";
import { Store, useStore } from "../state/store.js";
import { Question } from "../ui/dialog.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";
import { BulkDialog } from "./bulk_dialog.js";
import { DriverDialog } from "./driver_dialog.js";
import { ImportDialog } from "./import_dialog.js";
import { KeysDialog } from "./keys_dialog.js";
import { LoadDialog } from "./load_dialog.js";
import { RouteOf } from "./panel.js";
import { PasswordDialog } from "./password_dialog.js";
import { ResetDialog, UserDialog } from "./user_dialog.js";

/**
 * @typedef {{name: "load", load?: Load, copy?: Load, onSaved?: () => void}
 *   | {name: "import" | "password" | "keys"}
 *   | {name: "bulk", loads: Load[]}
 *   | {name: "driver", driver?: Driver}
 *   | {name: "user", user?: User}
 *   | {name: "reset", user: User}
 *   | {name: "question", title: string, yes: string, children: string, onYes: () => unknown}
 *   | {name: "complete" | "giveBack", load: Load, driver: Driver, assignment: Assignment}} Open
 */

/** @type {Store<{open: Open | null}>} */
const dialogs = new Store({ open: /** @type {Open | null} */ (null) });

/** @param {Open} open */
export const openDialog = (open) => dialogs.set({ open });

const onClose = () => dialogs.set({ open: null });

export function Dialogs() {
  const { open } = useStore(dialogs);
  return open && h(DIALOGS[open.name], { ...open, onClose });
}

/**
 * Asks before an assignment ends.
 * @param {Extract<Open, {assignment: Assignment}> & {onClose: () => void}} props
 */
function EndDialog({ name, load, driver, assignment, onClose: onEnd }) {
  const isComplete = name === "complete";
  const who = { driver: h("b", null, isolate(driver.name)), route: h(RouteOf, { load }) };
  return h(
    Question,
    {
      title: isComplete
        ? t("Complete load {id}?", { id: load.id })
        : t("Give load {id} back?", { id: load.id }),
      yes: isComplete ? t("Complete") : t("Give back"),
      onYes: () => void close(assignment, isComplete ? "COMPLETED" : "CANCELLED"),
      onClose: onEnd,
    },
    isComplete
      ? t("{driver} has delivered {route}", who)
      : t("{driver} is free again, and this waits: {route}", who),
  );
}

/** @type {Record<Open["name"], (props: any) => import("preact").VNode>} */
const DIALOGS = {
  load: LoadDialog,
  import: ImportDialog,
  password: PasswordDialog,
  keys: KeysDialog,
  bulk: BulkDialog,
  driver: DriverDialog,
  user: UserDialog,
  reset: ResetDialog,
  question: Question,
  complete: EndDialog,
  giveBack: EndDialog,
};
