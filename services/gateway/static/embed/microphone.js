/* -- microphone ------------------------------------------------------------------------ */

const SPEECH_HEADER = 4;

/* Hears somebody between `open` and `close`; the device is muted then, and off after `end`. */
class Microphone {
  constructor(context, hear) {
    Object.assign(this, { context, hear });
    this.isOpen = false;
  }

  static get isThere() {
    return Boolean(navigator.mediaDevices?.getUserMedia) && "AudioWorkletNode" in window;
  }

  /* Raises what getUserMedia does: NotAllowedError, NotFoundError, … */
  async open() {
    await (this.ready ??= this.prepare().catch((problem) => {
      this.end();
      throw problem;
    }));
    this.isOpen = true;
    this.mute(false);
  }

  async prepare() {
    const audio = { channelCount: 1, echoCancellation: true };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio });
    await this.context.resume();
    await this.context.audioWorklet.addModule(`${PLATFORM}/microphone.js`);
    this.node = new AudioWorkletNode(this.context, "vito-microphone", { numberOfOutputs: 0 });
    this.node.port.onmessage = (event) => this.heard(event.data);
    this.source = this.context.createMediaStreamSource(this.stream);
    this.source.connect(this.node);
  }

  heard(samples) {
    if (this.isOpen && samples.length) this.hear(frameOf(samples));
    if (this.flushed) { this.flushed(); this.flushed = null; }
  }

  /* Resolves when the last piece was heard. */
  async close() {
    const last = new Promise((resolve) => { this.flushed = resolve; });
    this.node.port.postMessage("flush");
    await last;
    this.isOpen = false;
    this.mute(true);
  }

  mute(isMuted) {
    for (const track of this.stream.getTracks()) track.enabled = !isMuted;
  }

  end() {
    this.isOpen = false;
    this.source?.disconnect();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.ready = this.stream = this.source = null;
  }
}

function frameOf(samples) {
  const frame = new ArrayBuffer(SPEECH_HEADER + 2 * samples.length);
  const view = new DataView(frame);
  view.setUint8(0, 1);
  view.setUint16(2, 16000, true);
  samples.forEach((sample, at) => view.setInt16(SPEECH_HEADER + 2 * at, sample, true));
  return frame;
}

/*
 * A button to talk: held down while one talks; or pressed once to begin and once more to end, which
 * is also what a screen reader or a switch does. *talk* is told (true, false).
 */
const HELD_MS = 500;

function pushToTalk(button, talk) {
  let pressedAt = 0, isOn = false, wasOn = false;
  const set = (on) => { isOn = on; talk(on); };
  const press = () => {
    pressedAt = Date.now();
    wasOn = isOn;
    if (!isOn) set(true);
  };
  const release = () => {
    if (!pressedAt) return;
    const isHeld = Date.now() - pressedAt >= HELD_MS;
    pressedAt = 0;
    if (isOn && (wasOn || isHeld)) set(false);
  };
  const isKey = (event) => event.key === " " || event.key === "Enter";
  let handledAt = 0;
  button.onpointerdown = (event) => {
    if (event.button) return;
    button.setPointerCapture(event.pointerId);
    press();
  };
  button.onpointerup = button.onpointercancel = () => { release(); handledAt = Date.now(); };
  button.onkeydown = (event) => {
    if (!isKey(event)) return;
    event.preventDefault();
    if (!event.repeat) press();
  };
  button.onkeyup = (event) => {
    if (!isKey(event)) return;
    event.preventDefault();
    release();
  };
  // A click that no finger and no key has made.
  button.onclick = () => { if (Date.now() - handledAt > HELD_MS) set(!isOn); };
  button.onblur = () => { if (isOn && pressedAt) { pressedAt = 0; set(false); } };
  return () => { isOn = false; pressedAt = 0; };
}
