/*
 * In the audio thread: what the microphone hears, at 16 kHz, as signed 16 bits, a tenth of a second
 * a message. A browser's own rate is mostly 48 kHz; each sample here is a sum of those around it,
 * weighed by a windowed sinc, so that what is too high for 16 kHz does not come out as something else.
 */
"use strict";

const HZ = 16000;
const PIECE = HZ / 10;
const REACH = 16; // samples of the slower of both rates, on each side

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / HZ;
    this.scale = Math.min(1, 1 / this.step);
    this.reach = Math.ceil(REACH / this.scale);
    // What is kept of the past; `at` is where in it the next sample lies.
    this.kept = new Float32Array(2 * this.reach);
    this.at = this.reach;
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.port.onmessage = () => this.flush();
  }

  process([input]) {
    if (!input.length) return true;
    const heard = new Float32Array(this.kept.length + input[0].length);
    heard.set(this.kept);
    heard.set(input[0], this.kept.length);
    for (; this.at + this.reach < heard.length; this.at += this.step) this.put(this.sample(heard));
    const from = Math.max(0, Math.floor(this.at) - this.reach);
    this.kept = heard.slice(from);
    this.at -= from;
    return true;
  }

  sample(heard) {
    let sum = 0;
    const middle = Math.floor(this.at);
    for (let near = middle - this.reach + 1; near <= middle + this.reach; near++) {
      const off = near - this.at;
      const x = Math.PI * off * this.scale;
      const window = 0.5 + 0.5 * Math.cos((Math.PI * off) / this.reach);
      sum += heard[near] * window * this.scale * (x ? Math.sin(x) / x : 1);
    }
    return sum;
  }

  put(sample) {
    this.piece[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
    if (this.filled === PIECE) this.flush();
  }

  flush() {
    this.port.postMessage(this.piece.slice(0, this.filled));
    this.filled = 0;
  }
}

registerProcessor("vito-microphone", Microphone);
