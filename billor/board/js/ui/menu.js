// A button that opens a small menu, in the browser's top layer: no list around it can cut it off.

import { h } from "preact";
import { useId, useRef } from "preact/hooks";

/**
 * @typedef {object} Choice
 * @property {string} text
 * @property {string} [lang] of the text, if it is not the page's
 * @property {(() => void) | string} action or the address of a link
 */

/**
 * @param {object} props @param {string} props.label @param {Choice[]} props.choices
 * @param {string} [props.class] @param {boolean} [props.disabled] @param {number} [props.tabIndex]
 * @param {Children} [props.children] of the button
 */
export function Menu({ label, choices, children, class: name = "icon-button", ...more }) {
  const id = useId();
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const menu = useRef(/** @type {HTMLDivElement | null} */ (null));

  const close = () => {
    menu.current?.hidePopover();
    button.current?.focus();
  };
  return [
    h(
      "button",
      {
        ref: button,
        type: "button",
        class: name,
        ...more,
        "aria-label": label,
        "aria-haspopup": "menu",
        popovertarget: id,
      },
      children,
    ),
    h(
      "div",
      {
        ref: menu,
        id,
        class: "menu",
        role: "menu",
        "aria-label": label,
        popover: "auto",
        onToggle: (/** @type {ToggleEvent} */ event) => {
          if (event.newState === "open") open(button.current, menu.current);
        },
        onKeyDown: (/** @type {KeyboardEvent} */ event) => move(event, close),
      },
      choices.map((choice) => h(Item, { key: choice.text, choice, close })),
    ),
  ];
}

/** @param {{choice: Choice, close: () => void}} props */
function Item({ choice: { text, lang, action }, close }) {
  if (typeof action === "string")
    return h("a", { role: "menuitem", lang, href: action, tabIndex: -1 }, text);
  const onClick = () => {
    close();
    action();
  };
  return h("button", { type: "button", role: "menuitem", lang, tabIndex: -1, onClick }, text);
}

/**
 * Place a menu below its button, or above it, and inside the window.
 * @param {HTMLElement | null} button @param {HTMLElement | null} menu
 */
function open(button, menu) {
  if (!button || !menu) return;
  const { left, right, top, bottom } = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const isRight = left + width > innerWidth - 8;
  const isAbove = bottom + height > innerHeight - 8;
  menu.style.left = `${Math.max(8, isRight ? right - width : left)}px`;
  menu.style.top = `${Math.max(8, isAbove ? top - height - 4 : bottom + 4)}px`;
  items(menu)[0]?.focus();
}

/** @param {Element} menu @returns {HTMLElement[]} */
const items = (menu) =>
  [...menu.querySelectorAll("[role=menuitem]")].filter((item) => item instanceof HTMLElement);

/** @param {KeyboardEvent} event @param {() => void} close */
function move(event, close) {
  const all = items(/** @type {Element} */ (event.currentTarget));
  const here = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const targets = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: -1 };
  const target = targets[/** @type {keyof typeof targets} */ (event.key)];
  event.stopPropagation();
  if (event.key === "Tab") close();
  if (target === undefined) return;
  event.preventDefault();
  all.at(target % all.length)?.focus();
}
