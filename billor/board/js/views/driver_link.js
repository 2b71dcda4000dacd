// A driver's name, which leads to the driver's page.

import { h } from "preact";
import { isolate } from "../ui/text.js";

/** @param {{driver: {id: number, name: string}, tabIndex?: number}} props */
export const DriverLink = ({ driver: { id, name }, ...more }) =>
  h(
    "a",
    { class: "driver-name", href: `#/drivers/${id}`, draggable: false, ...more },
    isolate(name),
  );
