// Starts the board.

import { h, render } from "preact";
import { App } from "./views/app.js";

render(h(App, null), /** @type {HTMLElement} */ (document.getElementById("app")));
