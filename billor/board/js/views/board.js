// The board: loads that wait, loads on the road, free drivers; and finished loads, when asked for.

import { h } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { pending } from "../state/actions.js";
import { address } from "../state/address.js";
import { choosing, stopChoosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { makeLists } from "../state/lists.js";
import { clearSelection } from "../state/selection.js";
import { NARROW, shownPlaces } from "../state/shown.js";
import { useStore } from "../state/store.js";
import { useMedia, useNow } from "../ui/clock.js";
import { t } from "../ui/words.js";
import { ConfirmBar } from "./confirm_bar.js";
import { DriversPanel } from "./drivers_panel.js";
import { Filters } from "./filters.js";
import { FinishedPanel } from "./finished_panel.js";
import { RoadPanel } from "./road_panel.js";
import { WaitingPanel } from "./waiting_panel.js";

export function Board() {
  const known = useStore(fleet);
  const { byLoad } = useStore(pending);
  const filters = useStore(address);
  const { loadId, driverId } = useStore(choosing);
  const isNarrow = useMedia(NARROW);
  const now = useNow();
  const lists = useMemo(
    () => makeLists(known, byLoad, filters, now),
    [known.version, byLoad, filters, now],
  );
  const places = shownPlaces(filters, isNarrow, loadId !== null);
  useEscape();

  const shared = { lists, now, isComplete: known.isComplete };
  const panels = {
    waiting: () => h(WaitingPanel, shared),
    road: () => h(RoadPanel, shared),
    drivers: () => h(DriversPanel, { ...shared, isNarrow }),
    finished: () => h(FinishedPanel, null),
  };
  return h(
    "div",
    { class: "board" },
    h("h1", { class: "unseen" }, t("Dispatch board")),
    !(isNarrow && loadId !== null) &&
      h(Filters, { lists, isNarrow, here: isNarrow ? places[0] : filters.show }),
    h(
      "div",
      { class: `panels panels-${places.length}` },
      places.map((place) =>
        h(
          "section",
          { key: place, class: `panel ${place}`, "data-drop": `${place}:` },
          panels[place](),
        ),
      ),
    ),
    loadId !== null && driverId !== null && h(ConfirmBar, { loadId, driverId }),
  );
}

/** Escape ends the choice of a driver, unless it closes a dialog or a menu. */
function useEscape() {
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      const isElsewhere = document.querySelector("dialog[open], [popover]:popover-open");
      if (event.key !== "Escape" || isElsewhere) return;
      stopChoosing();
      clearSelection();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}
