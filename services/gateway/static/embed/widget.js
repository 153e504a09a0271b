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

const VALUE = "data-vito-value-";

class Widget {
  constructor(host) {
    this.host = host;
    const told = host.querySelector(".vito-disclosure");
    const language = told?.lang || document.documentElement.lang || navigator.language;
    this.words = WORDS[language.slice(0, 2)] ?? WORDS.en;
    this.language = WORDS[language.slice(0, 2)] ? language.slice(0, 2) : "en";
    this.answers = new Map();
    this.questions = new Map();
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
    this.mic = element("button",
      { type: "button", class: "plain talking", "aria-pressed": "false", hidden: true }, w.talk);
    this.video = element("div", { class: "video", hidden: true });
    this.room = new Room(this.video, w.video);
    const root = this.host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.append(element("section", { "aria-label": w.title, lang: this.language },
      this.disclosure, this.video, this.talkList, this.heard, this.status, this.start, this.form,
      element("div", { class: "row" }, this.mic, this.stop, this.mute)));
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
    this.stop.onclick = () => { this.quiet(); this.talk.interrupt(); this.input.focus(); };
    this.micIsOff = pushToTalk(this.mic, (isOn) => (isOn ? this.listenTo() : this.listened()));
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
    const modality = wantsVoice ? ceiling : "text";
    // Made here, because browsers let a page sound only after somebody has clicked.
    if (wantsVoice) this.voice ??= new Voice();
    this.start.disabled = true;
    this.status.textContent = this.words.connecting;
    const hello = { modality, language: this.language, values: this.values() };
    this.talk = new Talk(tenant, deployment, hello, (message) => this.hear(message));
    try {
      await this.talk.begin();
    } catch (problem) {
      this.end(this.words[problem.message] ?? problem.title ?? this.words.away);
    }
  }

  /* Of the prompt's variables: data-vito-value-user_name="Ana". */
  values() {
    const given = [...this.host.attributes].filter(({ name }) => name.startsWith(VALUE));
    return Object.fromEntries(given.map(({ name, value }) => [name.slice(VALUE.length), value]));
  }

  quiet() {
    this.voice?.stop();
    this.room.hush();
  }

  async listenTo() {
    this.quiet();
    if (!this.stop.hidden) this.talk.interrupt();
    this.microphone ??= new Microphone(this.voice.context, (frame) => this.talk.speak(frame));
    this.isListening = true;
    try {
      await this.microphone.open();
    } catch (problem) {
      this.micIsOff();
      this.isListening = false;
      const isNone = ["NotFoundError", "NotReadableError"].includes(problem.name);
      this.status.textContent = isNone ? this.words.no_microphone : this.words.not_allowed;
      return;
    }
    // Whoever let go while the browser still asked wants to begin anew.
    if (!this.isListening) { await this.microphone.close(); return; }
    this.mic.setAttribute("aria-pressed", "true");
    this.status.textContent = this.words.listening;
    this.longest = setTimeout(() => { this.micIsOff(); this.listened(); }, this.speechMs);
  }

  async listened() {
    clearTimeout(this.longest);
    const wasHeard = this.mic.getAttribute("aria-pressed") === "true";
    this.mic.setAttribute("aria-pressed", "false");
    if (!this.isListening) return;
    this.isListening = false;
    if (!wasHeard) { this.status.textContent = this.words.ready; return; }
    await this.microphone.close();
    this.talk.spoken();
    this.status.textContent = this.words.thinking;
    this.stop.hidden = false;
  }

  understood({ turn, text, final }) {
    const item = this.questions.get(turn) ?? (text && this.show("you", this.words.you));
    if (!item) return;
    this.questions.set(turn, item);
    item.textContent = text;
    if (!final) return;
    this.questions.delete(turn);
    this.heard.append(element("p", {}, `${this.words.understood}: ${text}`));
  }

  ask() {
    const text = this.input.value.trim();
    if (!text || !this.isOpen) return;
    this.input.value = "";
    this.quiet();
    this.show("you", this.words.you, text);
    this.talk.ask(text);
    this.status.textContent = this.words.thinking;
    this.stop.hidden = false;
  }

  hear(message) {
    switch (message.type) {
      case "welcome": this.welcomed(message); break;
      case "understood": this.understood(message); break;
      case "video": if (message.url) this.room.show(message.url); else this.room.hide(); break;
      case "video_line": this.room.say(message.message); break;
      case "turn_started": this.answers.set(message.turn, this.show("twin", this.words.twin)); break;
      case "text_piece": this.write(message); break;
      case "audio": this.voice?.play(message); break;
      case "throttled": this.status.textContent = this.words.later; break;
      case "notice": this.note(message.message); break;
      case "refused": this.refused(message); break;
      case "turn_ended": this.ended(message); break;
      case "lost": this.lost(); break;
      case "over": this.end(this.told(message.problem) ?? this.words[message.why]); break;
    }
  }

  refused({ problem, wasSpoken }) {
    // Its end came, and nothing of it had: a lost connection took it.
    const isLost = wasSpoken && problem.code === "malformed_message";
    this.note(isLost ? this.words.unheard : this.told(problem));
    this.status.textContent = "";
  }

  lost() {
    if (this.isListening) { this.micIsOff(); this.listened(); }
    this.status.textContent = this.words.lost;
  }

  told(problem) {
    return problem && (this.words[problem.code] ?? problem.title);
  }

  welcomed({ disclosure, modality, limits, listens }) {
    this.input.maxLength = limits.text_chars_max;
    // A second less than is heard: the last piece is on its way when the time is up.
    this.speechMs = (limits.speech_s_max - 1) * 1000;
    this.mayTalk = listens && Boolean(this.voice) && Microphone.isThere;
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
    this.mic.hidden = !this.mayTalk;
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
    this.room.hide();
    this.micIsOff();
    this.isListening = false;
    clearTimeout(this.longest);
    this.mic.setAttribute("aria-pressed", "false");
    this.microphone?.end();
    this.form.hidden = this.stop.hidden = this.mute.hidden = this.mic.hidden = true;
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
