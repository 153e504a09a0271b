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
