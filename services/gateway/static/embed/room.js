/* -- video ----------------------------------------------------------------------------- */

/* The twin in a room of its avatar's vendor, shown by the platform's own page `/video`. */
class Room {
  constructor(place, title) {
    Object.assign(this, { place, title });
    this.waiting = [];
    this.listen = (event) => this.receive(event);
  }

  show(url) {
    this.hide();
    this.url = url;
    this.frame = element("iframe", {
      src: `${PLATFORM}/video`, title: this.title, allow: "autoplay; fullscreen",
      referrerpolicy: "no-referrer",
    });
    window.addEventListener("message", this.listen);
    this.place.append(this.frame);
    this.place.hidden = false;
  }

  receive({ source, origin, data }) {
    if (source !== this.frame?.contentWindow || origin !== PLATFORM) return;
    if (data?.vito !== "ready") return;
    this.isReady = true;
    this.post({ vito: "room", url: this.url });
    for (const message of this.waiting.splice(0)) this.say(message);
  }

  /* Hands on what the twin says; the page keeps it until it has joined. */
  say(message) {
    if (this.isReady) this.post({ vito: "line", message });
    else if (this.frame) this.waiting.push(message);
  }

  hush() {
    if (this.isReady) this.post({ vito: "hush" });
  }

  post(message) {
    this.frame.contentWindow.postMessage(message, PLATFORM);
  }

  hide() {
    window.removeEventListener("message", this.listen);
    this.frame?.remove();
    this.frame = null;
    this.isReady = false;
    this.waiting = [];
    this.place.hidden = true;
  }
}
