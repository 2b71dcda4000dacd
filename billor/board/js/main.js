// Starts the board, in browsers that can show it. In others the page goes on saying which ones can.

import { h, render } from "preact";
import { keepPage } from "./api/page.js";
import { keepTextsTrue } from "./ui/text.js";
import { LANGUAGE } from "./ui/words.js";
import { App } from "./views/app.js";

if ("popover" in HTMLElement.prototype) {
  const root = /** @type {HTMLElement} */ (document.getElementById("app"));
  document.documentElement.lang = LANGUAGE;
  root.replaceChildren();
  keepTextsTrue();
  render(h(App, null), root);
  keepPage();
}
