// The board: loads that wait and on the road, free and busy drivers; finished loads, when asked for.

import { h } from "preact";
import { useMemo } from "preact/hooks";
import { pending } from "../state/actions.js";
import { address } from "../state/address.js";
import { choosing } from "../state/choosing.js";
import { fleet } from "../state/fleet.js";
import { makeLists } from "../state/lists.js";
import { selection } from "../state/selection.js";
import { NARROW, shownPlaces } from "../state/shown.js";
import { useStore } from "../state/store.js";
import { useMedia, useNow } from "../ui/clock.js";
import { t } from "../ui/words.js";
import { SelectionBar } from "./bulk_dialog.js";
import { BusyPanel, DriversPanel } from "./drivers_panel.js";
import { Filters } from "./filters.js";
import { FinishedPanel } from "./finished_panel.js";
import { RoadPanel } from "./road_panel.js";
import { WaitingPanel } from "./waiting_panel.js";

export function Board() {
  const known = useStore(fleet);
  const { byLoad } = useStore(pending);
  const filters = useStore(address);
  const { loadId } = useStore(choosing);
  const { isOn } = useStore(selection);
  const isNarrow = useMedia(NARROW);
  const now = useNow();
  const lists = useMemo(
    () => makeLists(known, byLoad, filters, now),
    [known.version, byLoad, filters, now],
  );
  const places = shownPlaces(filters, isNarrow, loadId !== null);

  const shared = { lists, now, isComplete: known.isComplete };
  const panels = {
    waiting: () => h(WaitingPanel, shared),
    road: () => h(RoadPanel, shared),
    drivers: () => h(DriversPanel, { ...shared, isNarrow }),
    busy: () => h(BusyPanel, shared),
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
    isOn && h(SelectionBar, null),
  );
}
