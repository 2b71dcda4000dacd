// Server-Sent Events from a response of `fetch`, since EventSource sends no token.

/** Reads the events of a stream, as Billor writes them: each has its data in one line. */
export class EventParser {
  rest = "";
  id = "";

  /**
   * @param {string} text the next part of the stream, cut anywhere
   * @returns {ServerEvent[]} the events that are complete
   */
  push(text) {
    const blocks = (this.rest + text).split("\n\n");
    this.rest = /** @type {string} */ (blocks.pop());
    return blocks.flatMap((block) => {
      const { id, event, data = "" } = fieldsOf(block);
      this.id = id ?? this.id;
      return event ? [{ event, data, id: this.id }] : []; // comments are heartbeats
    });
  }
}

/** @param {string} block @returns {Record<string, string | undefined>} */
const fieldsOf = (block) =>
  Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/)));
