// Dragging a row onto something, with a mouse or a pen. Fingers scroll; they tap instead.
//
// It ends where the user sees that it does: on what is highlighted, by its `data-drop`, or nowhere.
// A list that moves by itself under a pointer that rests moves the highlight along.

/** A shorter move is a click. */
const CLICK_PIXELS = 6;
const SCROLL_EDGE_PIXELS = 48;
const SCROLL_STEP_PIXELS = 8;
const TICK_MILLISECONDS = 16;
/** How long a list scrolls after the wheel was turned. */
const WHEEL_MILLISECONDS = 300;

/**
 * @typedef {object} Drag
 * @property {string} kind of what is dragged, for style sheets
 * @property {string} text what follows the pointer
 * @property {string[]} onto the kinds of targets: `driver` for `data-drop="driver:12"`
 * @property {() => void} onLift
 * @property {(target: string) => void} onDrop gets "" if what was highlighted is no longer seen
 */

/** Follow the pointer from a row. @param {PointerEvent} begin @param {Drag} drag */
export function startDragging(begin, drag) {
  if (begin.button !== 0 || begin.pointerType === "touch") return;
  const ended = new AbortController();
  const { classList } = document.documentElement;
  const classes = ["dragging", `dragging-${drag.kind}`];
  /** @type {HTMLElement | null} */
  let ghost = null;
  /** @type {HTMLElement | null} */
  let over = null;
  let pointer = begin;
  let wheeledAt = 0;

  const highlight = (/** @type {HTMLElement | null} */ target) => {
    over?.removeAttribute("data-over");
    target?.setAttribute("data-over", "");
    over = target;
  };
  const look = () => highlight(targetAt(pointer, drag.onto));
  const tick = () => {
    const isWheeled = performance.now() - wheeledAt < WHEEL_MILLISECONDS;
    if (ghost && (scrollAtEdge(pointer) || isWheeled)) look();
  };
  const timer = setInterval(tick, TICK_MILLISECONDS);
  const end = () => {
    ended.abort();
    clearInterval(timer);
    highlight(null);
    ghost?.remove();
    classList.remove(...classes);
  };
  const move = (/** @type {PointerEvent} */ event) => {
    const moved = Math.hypot(event.clientX - begin.clientX, event.clientY - begin.clientY);
    const isStill = event.clientX === pointer.clientX && event.clientY === pointer.clientY;
    if (isStill || (!ghost && moved < CLICK_PIXELS)) return;
    if (!ghost) {
      drag.onLift();
      classList.add(...classes);
      ghost = Object.assign(document.createElement("div"), { className: "ghost" });
      ghost.textContent = drag.text;
      document.body.append(ghost);
    }
    pointer = event;
    place(ghost, event);
    look();
  };
  const drop = () => {
    const [isDrag, target] = [ghost !== null, over];
    end();
    if (isDrag) suppressClick();
    if (target) drag.onDrop(isSeen(target) ? (target.dataset.drop ?? "") : "");
  };

  const { signal } = ended;
  addEventListener("pointermove", move, { signal });
  addEventListener("pointerup", drop, { signal });
  addEventListener("pointercancel", end, { signal });
  addEventListener("blur", end, { signal });
  addEventListener("wheel", () => (wheeledAt = performance.now()), { signal, passive: true });
  addEventListener("keydown", (event) => event.key === "Escape" && end(), { signal });
}

/**
 * Put it beside the pointer, inside the window.
 * @param {HTMLElement} ghost @param {PointerEvent} event
 */
function place(ghost, { clientX, clientY }) {
  const left = Math.min(clientX + 12, innerWidth - ghost.offsetWidth - 4);
  ghost.style.transform = `translate(${left}px, ${clientY + 12}px)`;
}

/**
 * @param {PointerEvent} pointer @param {string[]} kinds
 * @returns {HTMLElement | null} the innermost target of these kinds
 */
function targetAt({ clientX, clientY }, kinds) {
  const selector = kinds.map((kind) => `[data-drop^="${kind}:"]`).join();
  return document.elementFromPoint(clientX, clientY)?.closest(selector) ?? null;
}

/** @param {HTMLElement} target */
function isSeen(target) {
  const { top, bottom } = target.getBoundingClientRect();
  const list = (target.closest(".rows") ?? target).getBoundingClientRect();
  return target.isConnected && bottom > list.top && top < list.bottom;
}

/**
 * @param {PointerEvent} pointer
 * @returns {boolean} whether the list below has been scrolled, since this is its edge
 */
function scrollAtEdge({ clientX, clientY }) {
  const scroller = document.elementFromPoint(clientX, clientY)?.closest(".rows");
  if (!scroller) return false;
  const before = scroller.scrollTop;
  const { top, bottom } = scroller.getBoundingClientRect();
  if (clientY < top + SCROLL_EDGE_PIXELS) scroller.scrollTop -= SCROLL_STEP_PIXELS;
  else if (clientY > bottom - SCROLL_EDGE_PIXELS) scroller.scrollTop += SCROLL_STEP_PIXELS;
  return scroller.scrollTop !== before;
}

/** The click that follows a drag is none. */
function suppressClick() {
  const stop = (/** @type {Event} */ event) => {
    event.stopPropagation();
    event.preventDefault();
  };
  addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => removeEventListener("click", stop, { capture: true }), 0);
}
