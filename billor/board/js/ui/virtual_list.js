// A list that draws only the rows that are seen, however many there are.

import { Component, createRef, h, options } from "preact";

/** Nobody sees sooner that another row has come below the pointer, and holds a press back. */
const REACTION_MILLISECONDS = 300;
/** Between them all rows are drawn. Firefox tells of the media when it is too late. */
const PRINTS = ["beforeprint", "afterprint"];
/** Rows above and below what is seen that are drawn, too. */
const MARGIN_ROWS = 6;

/**
 * @template Item
 * @typedef {object} Props
 * @property {Item[]} items
 * @property {(item: Item) => number} keyOf
 * @property {(item: Item) => number} heightOf in rem
 * @property {(item: Item, isActive: boolean) => Children} renderRow draws the
 *   content of a row. Only in the active row may something be reached by the Tab key; what arrows
 *   move between has the attribute `data-main`.
 * @property {string} label
 * @property {Children} empty what is shown without rows
 * @property {import("preact").RefObject<VirtualList<Item> | null>} [handle] gets the list itself
 * @property {number} [version] changes when rows come or go by what others did
 */

/**
 * Arrows, Home and End move between rows. Rows keep their place on the screen when others come and go.
 *
 * @template Item
 * @extends {Component<Props<Item>, {top: number, height: number, activeKey: number | null}>}
 */
export class VirtualList extends Component {
  state = { top: 0, height: 800, activeKey: /** @type {number | null} */ (null) };
  /** @type {import("preact").RefObject<HTMLDivElement | null>} */
  scroller = createRef();
  /** Where each row begins, in pixels; the last one is the end. @type {number[]} */
  offsets = [0];
  /** Of the rows, as they were drawn last. @type {number[]} */
  keys = [];
  /** Of the rows, by key. @type {Map<number, number>} */
  indexes = new Map();
  /** What the rows were laid out for. */
  laidOut = { props: /** @type {unknown} */ (null), rem: 0 };
  /** As they were drawn before. */
  before = { keys: this.keys, offsets: this.offsets };
  rem = 16;
  hadFocus = false;
  /** The row that was pressed last. @type {number | null} */
  pressed = null;
  /** The row that was clicked last. @type {number | null} */
  clicked = null;
  /** When the focus went to another row by itself. */
  refocusedAt = -REACTION_MILLISECONDS;
  /** @type {ResizeObserver | undefined} */
  observer;
  isPaper = false;

  componentDidMount() {
    if (this.props.handle) this.props.handle.current = this;
    this.observer = new ResizeObserver(() => this.measure());
    if (this.scroller.current) this.observer.observe(this.scroller.current);
    for (const name of PRINTS) addEventListener(name, this.onPaper);
  }

  componentWillUnmount() {
    this.observer?.disconnect();
    for (const name of PRINTS) removeEventListener(name, this.onPaper);
  }

  onPaper = (/** @type {Event} */ { type }) => {
    this.isPaper = type === "beforeprint";
    const { debounceRendering } = options;
    options.debounceRendering = (render) => render(); // at once: a moment later it is printed
    this.forceUpdate();
    options.debounceRendering = debounceRendering;
  };

  measure() {
    this.rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.setState({ height: this.scroller.current?.clientHeight ?? 0 });
  }

  onScroll = () => this.setState({ top: this.scroller.current?.scrollTop ?? 0 });

  /** @param {Props<Item>} before */
  componentDidUpdate(before) {
    if (before === this.props) return; // it was scrolled
    const isSame = before.items === this.props.items;
    this.holdMoved(isSame ? 0 : this.keepPlace());
    if (!isSame) this.keepFocus(before.version !== this.props.version);
  }

  /**
   * Hold the rows that have come to where others were.
   * @param {number} shift how far the list was scrolled to keep its place
   */
  holdMoved(shift) {
    const { keys, offsets } = this.before;
    for (const index of this.drawn()) {
      const key = this.keys[index];
      const [top = 0, end = 0] = this.offsets.slice(index, index + 2);
      const others = [top + 1, end - 1].map((y) => keys[this.indexAt(y - shift, offsets)]);
      if (others.every((other) => other === undefined || other === key)) continue;
      hold(this.row(index));
    }
  }

  /** Scroll with the row at the top, if rows came or went above it. @returns {number} how far */
  keepPlace() {
    const scroller = this.scroller.current;
    const anchor = this.anchor;
    if (!scroller || !anchor || scroller.scrollTop === 0) return 0;
    const index = this.indexes.get(anchor.key);
    const moved = index === undefined ? 0 : (this.offsets[index] ?? 0) - anchor.offset;
    if (moved) scroller.scrollTop += moved;
    return moved;
  }

  /**
   * Where the row with the focus went away, the one in its place gets it.
   * @param {boolean} isMoved by others, so that a key may be pressed for the row that went away
   */
  keepFocus(isMoved) {
    const isLost = document.activeElement === document.body;
    if (!this.hadFocus || !isLost) return;
    if (isMoved) this.refocusedAt = performance.now();
    this.focusRow(this.activeIndex);
  }

  /** @param {PointerEvent} event */
  onPointerDown = (event) => {
    this.pressed = keyAt(event);
  };

  /**
   * Stop a click for another row than it was begun at, and the second half of a double click whose
   * first half has brought another row there.
   * @param {MouseEvent} event
   */
  onClick = (event) => {
    const key = keyAt(event);
    if (key === null) return;
    const isByKey = event.detail === 0;
    const isMeant = isByKey
      ? performance.now() - this.refocusedAt > REACTION_MILLISECONDS
      : key === this.pressed && (event.detail === 1 || key === this.clicked);
    this.clicked = key;
    if (isMeant) return;
    event.stopPropagation();
    event.preventDefault();
  };

  get activeIndex() {
    this.lastIndex = this.indexes.get(this.state.activeKey ?? -1) ?? this.lastIndex;
    return Math.min(this.lastIndex, this.props.items.length - 1);
  }

  lastIndex = 0;

  /** @param {number} index */
  focusRow(index) {
    const item = this.props.items[index];
    if (!item) return;
    this.setState({ activeKey: this.props.keyOf(item) }, () => {
      this.row(index)?.scrollIntoView({ block: "nearest" });
      this.row(index)?.querySelector("[data-main]")?.focus({ preventScroll: true });
    });
  }

  /** @param {number} index @returns {any} */
  row(index) {
    return this.scroller.current?.querySelector(`[aria-posinset="${index + 1}"]`);
  }

  /** @param {KeyboardEvent} event */
  onKeyDown = (event) => {
    const last = this.props.items.length - 1;
    const targets = {
      ArrowDown: this.activeIndex + 1,
      ArrowUp: this.activeIndex - 1,
      Home: 0,
      End: last,
    };
    const target = targets[/** @type {keyof typeof targets} */ (event.key)];
    if (target === undefined) return;
    event.preventDefault();
    this.focusRow(Math.max(0, Math.min(last, target)));
  };

  /** @param {FocusEvent} event */
  onFocusIn = (event) => {
    this.hadFocus = true;
    const row = /** @type {Element} */ (event.target).closest("[data-key]");
    if (row) this.setState({ activeKey: Number(row.getAttribute("data-key")) });
  };

  /** @param {FocusEvent} event */
  onFocusOut = (event) => {
    // Without a next element the row has gone, or the window has lost the focus.
    if (event.relatedTarget) this.hadFocus = false;
  };

  /** Note where rows are now; scrolling moves none. */
  layOut() {
    const { props, rem } = this;
    if (this.laidOut.props === props && this.laidOut.rem === rem) return;
    this.laidOut = { props, rem };
    const first = this.indexAt(this.state.top);
    const key = this.keys[first];
    this.anchor = key === undefined ? null : { key, offset: this.offsets[first] ?? 0 };
    this.before = { keys: this.keys, offsets: this.offsets };
    let end = 0;
    this.keys = props.items.map(props.keyOf);
    this.indexes = new Map(this.keys.map((each, index) => [each, index]));
    this.offsets = [
      0,
      ...props.items.map((item) => (end += Math.round(props.heightOf(item) * rem))),
    ];
  }

  /** @param {number} pixels @returns {number} the index of the row there */
  indexAt(pixels, offsets = this.offsets) {
    let [low, high] = [0, offsets.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (/** @type {number} */ (offsets[middle]) <= pixels) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** @returns {number[]} the indexes of the rows to draw */
  drawn() {
    if (this.isPaper) return this.props.items.map((_, index) => index);
    const { top, height } = this.state;
    const first = Math.max(0, this.indexAt(top) - MARGIN_ROWS);
    const last = Math.min(this.props.items.length, this.indexAt(top + height) + MARGIN_ROWS);
    const indexes = [];
    for (let index = first; index < last; index++) indexes.push(index);
    const active = this.activeIndex; // it may have the focus
    if (active >= 0 && (active < first || active >= last)) indexes.push(active);
    return indexes;
  }

  render() {
    const { items, label, empty } = this.props;
    this.layOut();
    return h(
      "div",
      {
        class: "rows",
        ref: this.scroller,
        tabIndex: items.length ? undefined : -1,
        onScroll: this.onScroll,
        onKeyDown: this.onKeyDown,
        onFocusIn: this.onFocusIn,
        onFocusOut: this.onFocusOut,
        onRefocus: () => this.focusRow(this.activeIndex),
        onPointerDownCapture: this.onPointerDown,
        onClickCapture: this.onClick,
      },
      items.length === 0
        ? h("div", { class: "empty" }, empty)
        : h(
            "ul",
            { "aria-label": label, style: { "--height": `${this.offsets.at(-1)}px` } },
            this.drawn().map((index) => this.renderRow(index)),
          ),
    );
  }

  /** @param {number} index */
  renderRow(index) {
    const { items, renderRow } = this.props;
    const item = /** @type {Item} */ (items[index]);
    const key = this.keys[index];
    const [top = 0, end = 0] = this.offsets.slice(index, index + 2);
    return h(
      "li",
      {
        key,
        "data-key": key,
        "aria-setsize": items.length,
        "aria-posinset": index + 1,
        style: { "--top": `${top}px`, "--height": `${end - top}px` },
      },
      renderRow(item, index === this.activeIndex),
    );
  }
}

/**
 * Take no presses at what has come to where something else was, until that can have been seen.
 * @param {any} element
 */
export const hold = (element) =>
  element?.animate({ pointerEvents: ["none", "none"] }, REACTION_MILLISECONDS);

/**
 * Give the focus back to a place where work goes on: of a list, to the row where it was.
 * @param {Element} place
 */
export function refocus(place) {
  place.dispatchEvent(new Event("refocus"));
  if (place instanceof HTMLElement) place.focus();
}

/**
 * @param {Event} event
 * @returns {number | null} the key of its row; null outside of rows, and in a menu, which stays where it is
 */
function keyAt({ target }) {
  const row = /** @type {Element} */ (target).closest("[data-key], [popover]");
  const key = row?.getAttribute("data-key");
  return key == null ? null : Number(key);
}
