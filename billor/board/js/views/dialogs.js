// Which dialog is open.

import { h } from "preact";
import { close } from "../state/actions.js";
import { Store, useStore } from "../state/store.js";
import { Question } from "../ui/dialog.js";
import { isolate } from "../ui/text.js";
import { DriverDialog } from "./driver_dialog.js";
import { ImportDialog } from "./import_dialog.js";
import { LoadDialog } from "./load_dialog.js";
import { RouteOf } from "./panel.js";
import { PasswordDialog } from "./password_dialog.js";
import { ResetDialog, UserDialog } from "./user_dialog.js";

/** @import {Assignment, Driver, Load, User} from "../types.js" */

/**
 * @typedef {{name: "load", load?: Load, copy?: Load, onSaved?: () => void}
 *   | {name: "import" | "password"}
 *   | {name: "driver", driver?: Driver}
 *   | {name: "user", user?: User}
 *   | {name: "reset", user: User}
 *   | {name: "question", title: string, yes: string, text: string, onYes: () => unknown}
 *   | {name: "complete" | "giveBack", load: Load, driver: Driver, assignment: Assignment}} Open
 */

/** @type {Store<{open: Open | null}>} */
const dialogs = new Store({ open: /** @type {Open | null} */ (null) });

/** @param {Open} open */
export const openDialog = (open) => dialogs.set({ open });

const onClose = () => dialogs.set({ open: null });

export function Dialogs() {
  const { open } = useStore(dialogs);
  switch (open?.name) {
    case "load":
      return h(LoadDialog, { ...open, onClose });
    case "driver":
      return h(DriverDialog, { driver: open.driver, onClose });
    case "user":
      return h(UserDialog, { user: open.user, onClose });
    case "reset":
      return h(ResetDialog, { user: open.user, onClose });
    case "question":
      return h(Question, { ...open, onClose }, h("p", null, open.text));
    case "import":
      return h(ImportDialog, { onClose });
    case "password":
      return h(PasswordDialog, { onClose });
    case "complete":
      return h(CompleteDialog, { ...open, onClose });
    case "giveBack":
      return h(GiveBackDialog, { ...open, onClose });
    default:
      return null;
  }
}

/** @param {{load: Load, driver: Driver, assignment: Assignment, onClose: () => void}} props */
function CompleteDialog({ load, driver, assignment, onClose: onEnd }) {
  return h(
    Question,
    {
      title: `Complete load ${load.id}?`,
      yes: "Complete",
      onYes: () => void close(assignment, "COMPLETED"),
      onClose: onEnd,
    },
    h("p", null, h("b", null, isolate(driver.name)), " has delivered ", h(RouteOf, { load }), "."),
  );
}

/** @param {{load: Load, driver: Driver, assignment: Assignment, onClose: () => void}} props */
function GiveBackDialog({ load, driver, assignment, onClose: onEnd }) {
  return h(
    Question,
    {
      title: `Give load ${load.id} back?`,
      yes: "Give back",
      onYes: () => void close(assignment, "CANCELLED"),
      onClose: onEnd,
    },
    h(
      "p",
      null,
      h(RouteOf, { load }),
      " waits again, and ",
      h("b", null, isolate(driver.name)),
      " is free.",
    ),
  );
}
