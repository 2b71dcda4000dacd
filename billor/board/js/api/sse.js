// Server-Sent Events from a response of `fetch`, since EventSource sends no token.

/**
 * @typedef {object} ServerEvent
 * @property {string} event
 * @property {string} data
 * @property {string} id of this event, or the last one before
 */

/** Reads the lines of a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class EventParser {
  constructor() {
    this.rest = "";
    this.id = "";
    this.event = "";
    /** @type {string[]} */
    this.data = [];
  }

  /**
   * @param {string} text the next part of the stream, cut anywhere
   * @returns {ServerEvent[]} the events that are complete
   */
  push(text) {
    const lines = (this.rest + text).split("\n");
    this.rest = /** @type {string} */ (lines.pop());
    return lines.flatMap((line) => this.take(line.replace(/\r$/, "")));
  }

  /**
   * @param {string} line
   * @returns {ServerEvent[]}
   */
  take(line) {
    if (line === "") return this.finish();
    const [name, value] = split(line);
    if (name === "data") this.data.push(value);
    else if (name === "event") this.event = value;
    else if (name === "id") this.id = value;
    return []; // comments are heartbeats
  }

  finish() {
    const event = { event: this.event || "message", data: this.data.join("\n"), id: this.id };
    const isEmpty = this.data.length === 0 && this.event === "";
    this.event = "";
    this.data = [];
    return isEmpty ? [] : [event];
  }
}

/**
 * @param {string} line
 * @returns {[string, string]}
 */
function split(line) {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
