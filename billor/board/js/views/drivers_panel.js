// Free and busy drivers, and the choice of one for a load.

import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api/client.js";
import { chooseDriver, choosing, stopChoosing } from "../state/choosing.js";
import { dueAt } from "../state/due.js";
import { fleet } from "../state/fleet.js";
import { useGot } from "../state/got.js";
import { driverText, hasAll, words } from "../state/search.js";
import { useStore } from "../state/store.js";
import { button } from "../ui/button.js";
import { SearchField } from "../ui/form.js";
import { isolate } from "../ui/text.js";
import { shortTime } from "../ui/times.js";
import { refocus, VirtualList } from "../ui/virtual_list.js";
import { counted, t } from "../ui/words.js";
import { askToGive } from "./dialogs.js";
import { drag } from "./dropping.js";
import { Urgency } from "./due.js";
import { Nothing, PanelHead, RouteOf } from "./panel.js";
import { Papers } from "./papers.js";

const DRIVER_REM = 3.25;
const LINE_REM = 1.125;
const GROUP_REM = 2.25;

/**
 * A driver, with the load on the road and the next one.
 * @typedef {{driver: Driver} & Partial<Busy>} Item
 */

/** @param {{lists: Lists, now: string, isComplete: boolean, isNarrow: boolean}} props */
export function DriversPanel({ lists, now, isComplete, isNarrow }) {
  const { drivers, total, areAllDrivers, version } = lists;
  const { loadId } = useStore(choosing);
  const { candidates, isRanked } = useCandidates(loadId);
  const [name, setName] = useState("");
  /** @type {import("preact").RefObject<VirtualList<Item> | null>} */
  const list = useRef(null);
  const load = loadId === null ? undefined : fleet.value.loads.get(loadId);
  const ranked = (/** @type {Item[]} */ items) =>
    items
      .filter(({ driver }) => hasAll(driverText(driver), words(name)))
      .sort((one, other) => rankOf(candidates, one) - rankOf(candidates, other));
  const free = drivers.map((driver) => ({ driver }));
  const busy = lists.busy.filter((item) => item.load.id !== loadId && item.next?.id !== loadId);
  /** @type {Item[]} */
  const items = load ? [...ranked(free), ...ranked(busy)] : free;
  const firstBusy = items.find(({ load }) => load);
  const hasDrivers = items.length > 0;

  useEffect(() => {
    setName("");
    if (loadId === null) return;
    const place = document.activeElement?.closest(".rows");
    return () => {
      const here = document.activeElement;
      if (place?.isConnected && (here === document.body || here?.closest(".drivers")))
        refocus(place);
    };
  }, [loadId]);
  useEffect(() => {
    const isHere = document.activeElement?.closest(".drivers");
    if (loadId !== null && hasDrivers && isRanked && !isHere) list.current?.focusRow(0);
  }, [loadId, hasDrivers, isRanked]);

  const onChoose = (/** @type {Item} */ item) =>
    isNarrow && load ? askToGive(load, item) : chooseDriver(item.driver);
  return [
    h(PanelHead, {
      title: t("Free drivers"),
      count: items.filter(({ load }) => !load).length,
      total: total.drivers,
      isComplete,
    }),
    load && h(ChoosingHead, { load, setName }),
    areAllDrivers &&
      !load &&
      h("p", { class: "note" }, t("No driver matches the search: here are all of them.")),
    h(/** @type {typeof VirtualList<Item>} */ (VirtualList), {
      handle: list,
      items,
      // Who becomes busy is another row, so that no key is pressed for it.
      keyOf: ({ driver, load }) => (load ? -1 - driver.id : driver.id),
      heightOf: (item) =>
        heightOf(item) +
        (candidates.has(item.driver.id) ? LINE_REM : 0) +
        (item === firstBusy ? GROUP_REM : 0),
      label: t("Free drivers"),
      version,
      empty: h(Nothing, { isComplete, text: t("No driver is free.") }),
      renderRow: (item, isActive) => [
        item === firstBusy && h("h3", { class: "group-head", key: "group" }, t("Busy drivers")),
        h(DriverRow, {
          key: "row",
          item,
          now,
          isActive,
          candidate: candidates.get(item.driver.id),
          onChoose: load ? () => onChoose(item) : undefined,
        }),
      ],
    }),
  ];
}

/** @param {{lists: Lists, now: string, isComplete: boolean}} props */
export const BusyPanel = ({ lists: { busy, total, version }, now, isComplete }) => [
  h(PanelHead, { title: t("Busy drivers"), count: busy.length, total: total.busy, isComplete }),
  h(/** @type {typeof VirtualList<Busy>} */ (VirtualList), {
    items: busy,
    keyOf: ({ driver }) => driver.id,
    heightOf,
    label: t("Busy drivers"),
    version,
    empty: h(Nothing, { isComplete, text: t("Nobody is on the road.") }),
    renderRow: (item, isActive) => h(DriverRow, { item, now, isActive }),
  }),
];

/** @param {Item} item */
const heightOf = ({ load, next }) => DRIVER_REM + (load ? LINE_REM : 0) + (next ? LINE_REM : 0);

/** @typedef {Map<number, Candidate & {rank: number}>} Candidates by driver */

/** @param {Candidates} candidates @param {Item} item */
const rankOf = (candidates, { driver }) => candidates.get(driver.id)?.rank ?? candidates.size;

/**
 * @param {number | null} loadId
 * @returns {{candidates: Candidates, isRanked: boolean}} none if the API cannot be reached
 */
function useCandidates(loadId) {
  const ask = async () => ({
    loadId,
    rows: loadId === null ? [] : await get(`/loads/${loadId}/candidates?limit=200`),
  });
  const { data, problem } = useGot(ask, [loadId]);
  const isOfLoad = data?.loadId === loadId;
  /** @type {Candidate[]} */
  const rows = isOfLoad ? data.rows : [];
  const candidates = new Map(rows.map((each, rank) => [each.driver.id, { ...each, rank }]));
  return { candidates, isRanked: isOfLoad || problem !== "" };
}

/** @param {{load: Load, setName: (name: string) => void}} props */
function ChoosingHead({ load, setName }) {
  const parts = { id: h("b", null, load.id), route: h(RouteOf, { load }) };
  return h(
    "div",
    { class: "choosing-head" },
    h("p", null, t("Driver for load {id}: {route}", parts)),
    h(SearchField, { key: load.id, label: t("Find a driver"), onSearch: setName }),
    button(t("Back"), stopChoosing, "small"),
  );
}

/**
 * @param {object} props @param {Item} props.item @param {boolean} props.isActive
 * @param {string} props.now @param {Candidate | undefined} [props.candidate]
 * @param {(() => void) | undefined} [props.onChoose] while a driver is chosen
 */
function DriverRow({ item, isActive, now, candidate, onChoose }) {
  const { driver, load, assignment, next } = item;
  const content = [
    onChoose &&
      h("span", { class: "unseen", key: "action" }, load ? t("Plan as next") : t("Assign"), ": "),
    h("span", { class: "driver-name", key: "name" }, isolate(driver.name)),
    h(
      "span",
      { class: "meta", key: "when" },
      load ? freeBy(load, assignment, now) : isolate(driver.licenseNumber),
      " ",
      h(Papers, { driver, isSmall: true }),
    ),
    candidate && h("span", { class: "meta", key: "reasons" }, reasonsOf(candidate)),
    load && h("span", { class: "meta", key: "load" }, `${load.id}: `, h(RouteOf, { load })),
    next &&
      h(
        "span",
        { class: "meta", key: "next" },
        t("Next {id}: {route}", { id: next.id, route: h(RouteOf, { load: next }) }),
      ),
  ];
  const main = { class: "row-main", "data-main": true, tabIndex: isActive ? 0 : -1 };
  return h(
    "div",
    {
      class: "row driver-row",
      "data-drop": assignment ? `road:${assignment.id}` : `driver:${driver.id}`,
      onPointerDown: (/** @type {PointerEvent} */ event) => drag(event, { driver }),
    },
    onChoose
      ? h("button", { type: "button", onClick: onChoose, ...main }, content)
      : h("a", { href: `#/drivers/${driver.id}`, draggable: false, ...main }, content),
  );
}

/** @param {Load} load @param {Assignment | undefined} assignment @param {string} now */
function freeBy(load, assignment, now) {
  const time = dueAt({ load, ...(assignment && { assignment }) });
  if (time === null) return t("no delivery time");
  if (time < now) return h(Urgency, { deadline: time, now });
  return h("time", { dateTime: time }, t("free by {time}", { time: shortTime(time) }));
}

/** @param {Candidate} candidate @returns {string} what speaks for a driver */
const reasonsOf = ({ isFree, samePlace, sameState, loadsThisWeek }) =>
  [
    samePlace && (isFree ? t("last load ended here") : t("load ends here")),
    sameState && !samePlace && t("same state"),
    t("loads this week: {count}", { count: counted(loadsThisWeek) }),
  ]
    .filter(Boolean)
    .join(" · ");
