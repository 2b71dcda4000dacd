// Documents of a load, each with a small picture where the browser can draw it, and a button to add
// one.

import { h } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { DOCUMENT_NAMES, getFile } from "../state/documents.js";
import { saveFile } from "../state/exporting.js";
import { tell } from "../state/people.js";
import { button } from "../ui/button.js";
import { useListener } from "../ui/clock.js";
import { Field } from "../ui/form.js";
import { icon } from "../ui/icons.js";
import { t } from "../ui/words.js";

const TYPES = "image/*,application/pdf";
const SIDE = 96;
const KINDS = Object.entries(DOCUMENT_NAMES);

/**
 * `file`: gets its bytes, if they can be drawn. `actions`: what may be done.
 * @typedef {{key: string, kind: DocumentKind, about: string,
 *   file: (() => Promise<Blob>) | null, actions?: Children}} Shown
 */

/**
 * @param {LoadDocument} document @param {string} path of its bytes
 * @returns {Pick<Shown, "key" | "kind" | "file"> & {toOpen: VNode | null, toSave: VNode}} with buttons
 */
export function shownOf({ id, kind, name, mediaType }, path) {
  const file = () => getFile(path);
  const save = async () => saveFile(await file(), name);
  // In a tab of its own, where it can be enlarged, unless the browser blocks that.
  const show = async () => open(URL.createObjectURL(await file())) ?? save();
  /** @param {string} text @param {() => Promise<unknown>} onClick */
  const action = (text, onClick) =>
    button(text, () => tell(onClick), "small", { "aria-label": `${text} ${name}` });
  const isPhoto = /jpeg|png|webp/.test(mediaType); // that browsers show
  return {
    key: String(id),
    kind,
    file: isPhoto ? file : null,
    toOpen: isPhoto ? action(t("Open"), show) : null,
    toSave: action(t("Download"), save),
  };
}

/** @param {{documents: Shown[]}} props */
export const Documents = ({ documents }) =>
  h(
    "ul",
    { class: "documents" },
    documents.map(({ key, kind, about, file, actions }) =>
      h(
        "li",
        { key },
        h(Thumbnail, { file }),
        h("p", null, DOCUMENT_NAMES[kind], h("span", { class: "meta" }, about)),
        actions && h("div", { class: "actions" }, actions),
      ),
    ),
  );

/** On a canvas, since images come from addresses only; once it is seen. @param {Pick<Shown, "file">} props */
function Thumbnail({ file }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    if (!file || !canvas.current) return;
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      watch.disconnect();
      draw(file, canvas.current).catch(() => {}); // there is no network: the icon stays
    });
    watch.observe(canvas.current);
    return () => watch.disconnect();
  }, []);
  return h(
    "span",
    { class: "thumbnail", "aria-hidden": "true" },
    icon("file"),
    h("canvas", { ref: canvas, width: SIDE, height: SIDE }),
  );
}

/** Fill the canvas with the middle of it. @param {() => Promise<Blob>} file @param {HTMLCanvasElement | null} canvas */
async function draw(file, canvas) {
  const photo = await createImageBitmap(await file());
  const side = Math.min(photo.width, photo.height);
  const [left, top] = [(photo.width - side) / 2, (photo.height - side) / 2];
  canvas?.getContext("2d")?.drawImage(photo, left, top, side, side, 0, 0, SIDE, SIDE);
  photo.close();
}

/** What drivers add: they see no rates. */
export const OF_DRIVERS = KINDS.filter(([kind]) => kind !== "RATE_CONFIRMATION");

/**
 * @param {object} props @param {DocumentKind} props.kind the one that is chosen at first
 * @param {(file: File, kind: DocumentKind) => Promise<unknown>} props.onFile Raises `Problem`.
 * @param {Array<[string, string]>} [props.kinds] to choose from
 * @param {boolean} [props.isDropZone] takes what is dropped anywhere on the page, too
 */
export function AddDocument({ kind, onFile, kinds = KINDS, isDropZone = false }) {
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const add = async (/** @type {File[]} */ files) => {
    const chosen = /** @type {DocumentKind} */ (form.current?.kind.value);
    for (const file of files) await tell(() => onFile(file, chosen));
    form.current?.reset(); // so that the same file may be chosen again
  };
  useDropped(isDropZone ? add : undefined);
  return h(
    "form",
    { ref: form, class: "form add-document" },
    h(Field, {
      key: kind,
      name: "kind",
      label: t("Kind of document"),
      required: true,
      value: kind,
      options: kinds,
    }),
    button([icon("add"), t("Add photo or PDF")], () => input.current?.click()),
    h("input", {
      ref: input,
      type: "file",
      accept: TYPES,
      multiple: true,
      hidden: true,
      onChange: () => add([...(input.current?.files ?? [])]),
    }),
  );
}

/** @param {((files: File[]) => unknown) | undefined} take */
function useDropped(take) {
  useListener(["dragover", "drop"], (/** @type {DragEvent} */ event) => {
    const { items = [], files = [] } = event.dataTransfer ?? {};
    if (!take || items[0]?.kind !== "file" || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    if (event.type === "drop") take([...files]);
  });
}
