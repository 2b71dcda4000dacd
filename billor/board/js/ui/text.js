// Texts that stay true when a browser translates the page, and names that keep their direction.
//
// A translation replaces text nodes by elements of its own. Preact would go on to change its nodes,
// which nobody sees any more. So each text is the `textContent` of an element: a change replaces
// whatever is in there.

import { Fragment, h, options } from "preact";

const BEGIN = "\u2068";
const END = "\u2069";
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Mark a name or a place inside a sentence: its direction of writing does not reorder the sentence.
 * It is drawn as `<bdi>`, and is not translated.
 * @param {string} name
 */
export const isolate = (name) => BEGIN + name.replace(DIRECTIONS, "") + END;

/** @param {{children?: Children}} props a name or a place by itself */
export const Name = ({ children }) => h("bdi", { translate: false }, children);

/** Have Preact draw all texts so. */
export function keepTextsTrue() {
  options.vnode = (vnode) => {
    const { type, props } = /** @type {{type: unknown, props: any}} */ (vnode);
    if (type === null && typeof props === "string" && props.trim()) {
      Object.assign(vnode, props.includes(BEGIN) ? marked(props) : whole(props));
    } else if (typeof type === "string") {
      const text = textOf(props.children);
      if (text === null) return;
      if (text.includes(BEGIN)) props.children = marked(text).props.children;
      else Object.assign(props, { textContent: text, children: undefined });
    }
  };
}

/** @param {string} text beside other children */
const whole = (text) => ({ type: "x-text", props: { textContent: text } });

/** @param {string} text with names that are marked */
const marked = (text) => ({
  type: Fragment,
  props: {
    children: text
      .split(/\u2068([^\u2069]*)\u2069/)
      .map((part, index) => (index % 2 ? h(Name, { key: index }, part) : part)),
  },
});

/**
 * @param {unknown} children of an element
 * @returns {string | null} their text; null if they are, or may become, something else
 */
function textOf(children) {
  const shown = [children]
    .flat(9)
    .filter((child) => !["undefined", "boolean"].includes(typeof child));
  const isText = shown.length > 0 && shown.every((child) => typeof child !== "object");
  return isText ? shown.join("") : null;
}
