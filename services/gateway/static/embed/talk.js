const PLATFORM = new URL(document.currentScript.src).origin;
const RECONNECT_MS = [250, 500, 1000, 2000, 4000, 8000];
const ACKNOWLEDGE_MS = 250;
const UNACKNOWLEDGED_MAX = 32;

/* -- the stream ------------------------------------------------------------------------ */

class Refused extends Error {}

async function newVisitor(tenant, deployment) {
  const names = [tenant, deployment].map(encodeURIComponent);
  const url = `${PLATFORM}/v1/twins/${names[0]}/deployments/${names[1]}/visitors`;
  let answer;
  try {
    answer = await fetch(url, { method: "POST", credentials: "omit", referrerPolicy: "origin" });
  } catch {
    // A page that may not read the answer and a network that is away look the same from here.
    const probe = { mode: "no-cors", credentials: "omit", cache: "no-store" };
    await fetch(`${PLATFORM}/embed.js`, probe).catch(() => { throw new Refused("away"); });
    throw new Refused("elsewhere");
  }
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Refused(body.code), { title: body.title });
  return body;
}

class Talk {
  /* `hear` gets every message; audio comes as {type: "audio", hz, pcm}. */
  constructor(tenant, deployment, hello, hear) {
    Object.assign(this, { tenant, deployment, hello, hear });
    this.resume = "";
    this.position = this.acknowledged = this.attempt = this.turns = 0;
    this.isOver = false;
    this.waiting = new Map();
  }

  async begin() {
    this.token = (await newVisitor(this.tenant, this.deployment)).token;
    this.connect();
  }

  connect() {
    const url = `${PLATFORM.replace(/^http/, "ws")}/v1/twins/${this.tenant}/stream`;
    const socket = this.socket = new WebSocket(url, ["vito.v1", `bearer.${this.token}`]);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.say({
      type: "hello", ...this.hello, resume: this.resume, position: this.position,
    });
    socket.onmessage = (event) => this.receive(event.data);
    socket.onclose = (event) => this.closed(event.code);
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  ask(text) {
    const turn = { type: "text", id: `t${++this.turns}`, text };
    // Until it is answered it may have been lost; the same id again is still one turn.
    this.waiting.set(turn.id, turn);
    this.say(turn);
    return turn.id;
  }

  /* A frame of speech; without a connection it is lost, and `spoken` is told so. */
  speak(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(frame);
  }

  spoken() {
    const turn = { type: "audio_end", id: `t${++this.turns}` };
    this.waiting.set(turn.id, turn);
    this.say(turn);
    return turn.id;
  }

  disclosed(version) {
    this.say({ type: "disclosed", version });
  }

  interrupt() {
    this.say({ type: "interrupt" });
  }

  receive(data) {
    const message = typeof data === "string" ? JSON.parse(data) : audioIn(data);
    const isEvent = !["welcome", "pong", "closing"].includes(message.type);
    if (isEvent) {
      // What was sent again after a lost connection is taken once.
      if (message.position <= this.position) return;
      this.position = message.position;
      this.acknowledgeSoon();
    }
    if (message.type === "welcome") this.welcomed(message);
    if (message.type === "refused") message.wasSpoken = this.waiting.get(message.turn)?.type === "audio_end";
    if (["turn_started", "turn_ended", "refused"].includes(message.type)) {
      this.waiting.delete(message.turn);
    }
    if (message.type === "closing") this.closing = message.problem;
    this.hear(message);
  }

  welcomed(message) {
    const isBack = this.resume !== "";
    this.resume = message.resume;
    this.attempt = 0;
    this.resumeUntil = null;
    this.resumeMs = message.resume_s * 1000;
    if (isBack) for (const turn of this.waiting.values()) this.say(turn);
  }

  acknowledgeSoon() {
    if (this.position - this.acknowledged >= UNACKNOWLEDGED_MAX) this.acknowledge();
    else this.timer ??= setTimeout(() => this.acknowledge(), ACKNOWLEDGE_MS);
  }

  acknowledge() {
    clearTimeout(this.timer);
    this.timer = null;
    this.acknowledged = this.position;
    this.say({ type: "acknowledge", position: this.position });
  }

  closed(code) {
    clearTimeout(this.timer);
    this.timer = null;
    const problem = this.closing;
    this.closing = null;
    const mayResume = !problem || ["slow_reader", "too_many_messages"].includes(problem.code);
    this.resumeUntil ??= Date.now() + (this.resumeMs ?? 0);
    if (code !== 1000 && mayResume && this.resume && Date.now() < this.resumeUntil) {
      const wait = RECONNECT_MS[Math.min(this.attempt++, RECONNECT_MS.length - 1)];
      this.hear({ type: "lost" });
      setTimeout(() => this.connect(), Math.max(wait, problem?.retry_after_ms ?? 0));
      return;
    }
    this.isOver = true;
    const wasReached = code === 1000 || problem;
    this.hear({ type: "over", problem, why: wasReached ? "over" : "away" });
  }
}

function audioIn(buffer) {
  const view = new DataView(buffer);
  const position = Number(view.getBigUint64(4, true));
  return { type: "audio", hz: view.getUint16(2, true), position, pcm: buffer.slice(12) };
}
