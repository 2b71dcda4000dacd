// What pages about one thing share, and how drivers are linked.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useListener } from "../ui/clock.js";
import { icon } from "../ui/icons.js";
import { isolate } from "../ui/text.js";
import { t } from "../ui/words.js";

/**
 * @param {object} props @param {string} props.look
 * @param {[string, string]} props.back the text and the address of the page before
 * @param {string} props.problem why it is not known
 * @param {boolean} props.isKnown @param {Children} [props.children]
 */
export const Page = ({ look, back: [text, href], problem, isKnown, children }) =>
  h(
    "article",
    { class: `page ${look}` },
    h("a", { class: "back", href }, icon("back"), text),
    !isKnown && h("h1", { class: "unseen" }, text),
    problem && h("p", { class: "refusal", role: "alert" }, problem),
    isKnown ? children : !problem && h("p", { role: "status" }, t("Loading …")),
  );

/**
 * @param {object} props @param {string} props.eyebrow @param {Children} props.title
 * @param {Children} [props.children] its status, and what may be done
 */
export const PageHead = ({ eyebrow, title, children }) =>
  h(
    "header",
    { class: "page-head" },
    h("div", null, h("p", { class: "eyebrow" }, eyebrow), h("h1", null, title)),
    children,
  );

/** @param {{look: keyof typeof STATUS_NAMES, text?: string}} props */
export const Status = ({ look, text = STATUS_NAMES[look] }) =>
  h("span", { class: `status status-${look}` }, text);

export const STATUS_NAMES = {
  OPEN: t("Waiting"),
  ASSIGNED: t("On the road"),
  COMPLETED: t("Completed"),
  PLANNED: t("Planned"),
  CANCELLED: t("Cancelled"),
};

/** @param {{load: Load}} props */
export const Pod = ({ load: { hasPod } }) =>
  h(
    "span",
    { class: hasPod ? "meta" : "meta without-pod" },
    hasPod ? t("POD") : t("No POD"),
    " · ",
  );

/** @param {{driver: {id: number, name: string}, tabIndex?: number}} props */
export const DriverLink = ({ driver: { id, name }, ...more }) =>
  h(
    "a",
    { class: "driver-name", href: `#/drivers/${id}`, draggable: false, ...more },
    isolate(name),
  );

/**
 * Where the button with the focus goes away or is disabled, the one before it gets it: a key that is
 * pressed twice does nothing else.
 */
export function useFocusKept() {
  const holder = useRef(/** @type {HTMLElement | null} */ (null));
  const place = useRef(-1);
  /** @returns {Element[]} */
  const buttons = () => [...(holder.current?.querySelectorAll("button:enabled") ?? [])];
  useListener(["focusin"], ({ target }) => {
    place.current = buttons().indexOf(target);
  });
  useEffect(() => {
    if (place.current < 0 || document.activeElement !== document.body) return;
    const left = buttons();
    const button = left[place.current - 1] ?? left[0];
    if (button instanceof HTMLElement) button.focus();
  });
  return holder;
}
