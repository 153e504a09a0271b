/*
 * Joins a room that speaks by postMessage, as those of our vendor sandbox do:
 *
 *     to the room     {room: "app-message", message}, {room: "hush"}
 *     from the room   {room: "joined"}, {room: "left"}
 *
 * A room of Tavus is a page of Daily, whose messages need Daily's own library: such a deployment
 * puts a script of its own in the place of this one (VITO_ROOM_SCRIPT). It defines the same function.
 */
(() => {
  "use strict";
  window.vitoRoom = (place, url, { joined, left }) => {
    const { origin } = new URL(url);
    const frame = document.createElement("iframe");
    frame.title = document.title;
    frame.allow = "autoplay; fullscreen";
    window.addEventListener("message", (event) => {
      if (event.source !== frame.contentWindow || event.origin !== origin) return;
      if (event.data?.room === "joined") joined();
      if (event.data?.room === "left") left();
    });
    frame.src = url;
    place.append(frame);
    const post = (message) => frame.contentWindow.postMessage(message, origin);
    return {
      say: (message) => post({ room: "app-message", message }),
      hush: () => post({ room: "hush" }),
    };
  };
})();
