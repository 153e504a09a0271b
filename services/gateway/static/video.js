/*
 * `/video`, in the widget's frame: joins the room that it is given and hands on what the twin says.
 * How a room is joined is the business of `room.js`, which a deployment may exchange.
 *
 *     from the widget   {vito: "room", url}, {vito: "line", message}, {vito: "hush"}
 *     to the widget     {vito: "ready"}, {vito: "joined"}, {vito: "left"}
 */
(() => {
  "use strict";
  const WAITING_MAX = 64;
  const widget = window.parent;
  let platform = null, room = null, isJoined = false;
  const waiting = [];

  const tell = (what) => widget.postMessage({ vito: what }, platform ?? "*");

  window.addEventListener("message", ({ source, origin, data }) => {
    if (source !== widget || (platform !== null && origin !== platform)) return;
    if (data?.vito === "room" && room === null) {
      platform = origin;
      room = window.vitoRoom(document.querySelector("main"), data.url, {
        joined() {
          isJoined = true;
          for (const message of waiting.splice(0)) room.say(message);
          tell("joined");
        },
        left() { isJoined = false; tell("left"); },
      });
    } else if (data?.vito === "line" && room !== null) {
      if (isJoined) room.say(data.message);
      else if (waiting.length < WAITING_MAX) waiting.push(data.message);
    } else if (data?.vito === "hush") {
      waiting.length = 0;
      room?.hush?.();
    }
  });
  tell("ready");
})();
