/*
 * The widget: a page shows a twin with the snippet of `vito deployment embed`, and this talks with it.
 *
 * It needs nothing of the page but the snippet, and of the page's Content-Security-Policy only
 * `script-src` and `connect-src` of the platform (https: and wss:): no inline style, no eval, no
 * image, no font. What people see lives in a shadow root, so that neither styles the other.
 *
 *     Talk      the stream: token, WebSocket, positions, coming back after a lost connection
 *     Voice     plays what the twin says
 *     Widget    what people see and hear
 *
 * The protocol is contracts/stream.asyncapi.json.
 */
(() => {
  "use strict";

  const PLATFORM = new URL(document.currentScript.src).origin;
  const RECONNECT_MS = [250, 500, 1000, 2000, 4000, 8000];
  const ACKNOWLEDGE_MS = 250;
  const UNACKNOWLEDGED_MAX = 32;

  const WORDS = {
    en: {
      title: "Conversation with an AI", start: "Start the conversation", again: "Start again",
      label: "Your message", send: "Send", stop: "Stop the answer", mute: "Mute",
      you: "You", twin: "Answer", connecting: "Connecting…", ready: "You can write now.",
      thinking: "The answer is on its way…", later: "Many people are asking. One moment…",
      lost: "The connection was lost. Trying again…", over: "The conversation is over.",
      elsewhere: "This assistant is not allowed on this page. Whoever runs the page must add its"
        + " address to the assistant's deployment.",
      away: "The assistant cannot be reached. Check your connection and try again.",
      idle: "The conversation ended because nobody said anything.",
      visit_over: "Your visit is over. You can start again.",
      gateway_stopping: "The conversation was interrupted on our side. Please start again.",
      too_many_conversations: "Too many people are asking right now. Try again in a moment.",
      visitors_too_fast: "Too many people are asking right now. Try again in a moment.",
    },
    es: {
      title: "Conversación con una IA", start: "Iniciar la conversación", again: "Empezar de nuevo",
      label: "Tu mensaje", send: "Enviar", stop: "Detener la respuesta", mute: "Silenciar",
      you: "Tú", twin: "Respuesta", connecting: "Conectando…", ready: "Ya puedes escribir.",
      thinking: "La respuesta está en camino…", later: "Hay muchas preguntas. Un momento…",
      lost: "Se perdió la conexión. Intentando de nuevo…", over: "La conversación ha terminado.",
      elsewhere: "Este asistente no está permitido en esta página. Quien la administra debe agregar"
        + " su dirección al despliegue del asistente.",
      away: "No se puede llegar al asistente. Revisa tu conexión e intenta de nuevo.",
      idle: "La conversación terminó porque nadie dijo nada.",
      visit_over: "Tu visita terminó. Puedes empezar de nuevo.",
      gateway_stopping: "La conversación se interrumpió de nuestro lado. Empieza de nuevo.",
      too_many_conversations: "Hay muchas personas preguntando. Intenta en un momento.",
      visitors_too_fast: "Hay muchas personas preguntando. Intenta en un momento.",
    },
  };

  const STYLE = `
    :host { all: initial; display: block; }
    :host, button, textarea { font: 16px/1.45 system-ui, sans-serif; }
    section { --ink: #1b1f24; --paper: #fff; --soft: #eef1f4; --line: #8a929c; --main: #0b57d0;
      --on-main: #fff; box-sizing: border-box; width: 100%; max-width: 28rem; padding: .75rem;
      color: var(--ink); background: var(--paper); border: 1px solid var(--line);
      border-radius: .75rem; display: flex; flex-direction: column; gap: .6rem; }
    @media (prefers-color-scheme: dark) {
      section { --ink: #e8eaed; --paper: #1b1f24; --soft: #2b3138; --line: #7d8691;
        --main: #a8c7fa; --on-main: #062e6f; } }
    p, ol { margin: 0; padding: 0; list-style: none; }
    .disclosure p { white-space: pre-line; }
    ::slotted(p) { margin: 0; }
    .disclosure { font-size: .9rem; padding: .5rem .6rem;
      background: var(--soft); border-radius: .5rem; }
    .talk { overflow-y: auto; max-height: 20rem; display: flex; flex-direction: column; gap: .5rem; }
    .talk:empty { display: none; }
    li { white-space: pre-wrap; overflow-wrap: anywhere; padding: .45rem .6rem;
      border-radius: .5rem; max-width: 90%; }
    li.twin { background: var(--soft); align-self: flex-start; }
    li.you { background: var(--main); color: var(--on-main); align-self: flex-end; }
    li.notice { align-self: center; font-size: .9rem; border: 1px dashed var(--line); }
    .status { font-size: .9rem; min-height: 1.3rem; }
    form { display: grid; grid-template-columns: 1fr auto; gap: .4rem; align-items: end; }
    label { grid-column: 1 / -1; font-size: .9rem; }
    textarea { box-sizing: border-box; width: 100%; min-height: 2.75rem; resize: vertical;
      padding: .5rem; color: inherit; background: transparent; border: 1px solid var(--line);
      border-radius: .5rem; }
    button { min-height: 2.75rem; padding: .4rem .9rem; border: 1px solid var(--main);
      border-radius: .5rem; color: var(--on-main); background: var(--main); cursor: pointer; }
    button.plain { color: var(--main); background: transparent; }
    button:disabled { opacity: .55; cursor: default; }
    :focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
    .row { display: flex; gap: .4rem; flex-wrap: wrap; }
    [hidden] { display: none !important; }
    .heard { position: absolute; width: 1px; height: 1px; overflow: hidden;
      clip-path: inset(50%); white-space: nowrap; }`;

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
      if (message.type === "turn_started" || message.type === "refused") {
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

  /* -- voice ----------------------------------------------------------------------------- */

  class Voice {
    constructor() {
      this.context = new AudioContext();
      this.gain = this.context.createGain();
      this.gain.connect(this.context.destination);
      this.playing = new Set();
      this.next = 0;
    }

    play({ hz, pcm }) {
      const heard = new Int16Array(pcm, 0, pcm.byteLength >> 1);
      if (!heard.length) return;
      const buffer = this.context.createBuffer(1, heard.length, hz);
      buffer.getChannelData(0).set(Float32Array.from(heard, (sample) => sample / 32768));
      const source = this.context.createBufferSource();
      source.buffer = buffer;
      source.connect(this.gain);
      this.next = Math.max(this.next, this.context.currentTime);
      source.start(this.next);
      this.next += buffer.duration;
      this.playing.add(source);
      source.onended = () => this.playing.delete(source);
    }

    stop() {
      for (const source of this.playing) source.stop();
      this.playing.clear();
      this.next = 0;
    }

    mute(isMuted) {
      this.gain.gain.value = isMuted ? 0 : 1;
    }
  }

  /* -- what people see ------------------------------------------------------------------- */

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) made.setAttribute(key, "");
      else if (value !== false) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  class Widget {
    constructor(host) {
      this.host = host;
      const told = host.querySelector(".vito-disclosure");
      const language = told?.lang || document.documentElement.lang || navigator.language;
      this.words = WORDS[language.slice(0, 2)] ?? WORDS.en;
      this.language = WORDS[language.slice(0, 2)] ? language.slice(0, 2) : "en";
      this.answers = new Map();
      this.draw();
    }

    draw() {
      const w = this.words;
      // The page's own copy of the disclosure stands here until the twin's own has come.
      this.disclosure = element("div", { class: "disclosure" }, element("slot"));
      this.talkList = element("ol", { class: "talk", "aria-label": w.title, tabindex: "0" });
      this.heard = element("div", { class: "heard", "aria-live": "polite" });
      this.status = element("p", { class: "status", role: "status" });
      this.start = element("button", { type: "button" }, w.start);
      this.input = element("textarea", { id: "say", rows: "1", autocomplete: "off" });
      this.send = element("button", { type: "submit" }, w.send);
      this.form = element("form", { hidden: true },
        element("label", { for: "say" }, w.label), this.input, this.send);
      this.stop = element("button", { type: "button", class: "plain", hidden: true }, w.stop);
      this.mute = element("button",
        { type: "button", class: "plain", "aria-pressed": "false", hidden: true }, w.mute);
      const root = this.host.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      root.append(element("section", { "aria-label": w.title, lang: this.language },
        this.disclosure, this.talkList, this.heard, this.status, this.start, this.form,
        element("div", { class: "row" }, this.stop, this.mute)));
      this.listen();
    }

    listen() {
      this.start.onclick = () => this.begin();
      this.form.onsubmit = (event) => { event.preventDefault(); this.ask(); };
      this.input.onkeydown = (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
          event.preventDefault();
          this.ask();
        }
      };
      this.stop.onclick = () => { this.voice?.stop(); this.talk.interrupt(); this.input.focus(); };
      this.mute.onclick = () => {
        const isMuted = this.mute.getAttribute("aria-pressed") !== "true";
        this.mute.setAttribute("aria-pressed", String(isMuted));
        this.voice.mute(isMuted);
      };
    }

    async begin() {
      const { vitoTenant: tenant, vitoDeployment: deployment, vitoCeiling: ceiling } =
        this.host.dataset;
      const wantsVoice = ceiling !== "text" && "AudioContext" in window;
      // Made here, because browsers let a page sound only after somebody has clicked.
      if (wantsVoice) this.voice ??= new Voice();
      this.start.disabled = true;
      this.status.textContent = this.words.connecting;
      const hello = { modality: wantsVoice ? "voice" : "text", language: this.language };
      this.talk = new Talk(tenant, deployment, hello, (message) => this.hear(message));
      try {
        await this.talk.begin();
      } catch (problem) {
        this.end(this.words[problem.message] ?? problem.title ?? this.words.away);
      }
    }

    ask() {
      const text = this.input.value.trim();
      if (!text || !this.isOpen) return;
      this.input.value = "";
      this.voice?.stop();
      this.show("you", this.words.you, text);
      this.talk.ask(text);
      this.status.textContent = this.words.thinking;
      this.stop.hidden = false;
    }

    hear(message) {
      switch (message.type) {
        case "welcome": this.welcomed(message); break;
        case "turn_started": this.answers.set(message.turn, this.show("twin", this.words.twin)); break;
        case "text_piece": this.write(message); break;
        case "audio": this.voice?.play(message); break;
        case "throttled": this.status.textContent = this.words.later; break;
        case "notice": this.note(message.message); break;
        case "refused": this.note(this.told(message.problem)); break;
        case "turn_ended": this.ended(message); break;
        case "lost": this.status.textContent = this.words.lost; break;
        case "over": this.end(this.told(message.problem) ?? this.words[message.why]); break;
      }
    }

    told(problem) {
      return problem && (this.words[problem.code] ?? problem.title);
    }

    welcomed({ disclosure, modality, limits }) {
      this.input.maxLength = limits.text_chars_max;
      this.mute.hidden = modality === "text";
      if (!disclosure) {
        this.open();
        return;
      }
      const text = element("p", { lang: disclosure.language, dir: "auto" }, disclosure.text);
      this.disclosure.replaceChildren(text);
      this.disclosure.scrollIntoView({ block: "nearest" });
      // A frame is painted between these two: only then has it been shown.
      requestAnimationFrame(() => requestAnimationFrame(() => {
        this.talk.disclosed(disclosure.version);
        this.open();
      }));
    }

    open() {
      const isNew = !this.isOpen;
      this.isOpen = true;
      this.start.hidden = true;
      this.form.hidden = false;
      this.status.textContent = this.words.ready;
      if (isNew) this.input.focus({ preventScroll: true });
    }

    show(who, name, text = "") {
      // Pieces are not read aloud one by one: `heard` gets the whole answer.
      const item = element("li", { class: who });
      if (name) item.append(element("span", { class: "heard" }, `${name}: `));
      item.append(element("span", {}, text));
      this.talkList.append(item);
      this.talkList.scrollTop = this.talkList.scrollHeight;
      return item.lastChild;
    }

    write({ turn, text }) {
      this.status.textContent = "";
      this.answers.get(turn)?.append(text);
      this.talkList.scrollTop = this.talkList.scrollHeight;
    }

    note(text) {
      this.show("notice", "", text);
      this.heard.append(element("p", {}, text));
    }

    ended({ turn }) {
      const answer = this.answers.get(turn)?.textContent;
      this.answers.delete(turn);
      if (answer) this.heard.append(element("p", {}, answer));
      while (this.heard.childElementCount > 5) this.heard.firstChild.remove();
      this.stop.hidden = this.answers.size === 0 && this.talk.waiting.size === 0;
      this.status.textContent = "";
    }

    end(text) {
      this.isOpen = false;
      this.voice?.stop();
      this.form.hidden = this.stop.hidden = this.mute.hidden = true;
      this.start.hidden = this.start.disabled = false;
      if (this.talk.resume) this.start.textContent = this.words.again;
      this.status.textContent = text;
      this.start.focus({ preventScroll: true });
    }
  }

  function all() {
    for (const host of document.querySelectorAll(".vito-twin")) {
      if (!host.shadowRoot) new Widget(host);
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
