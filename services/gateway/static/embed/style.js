/* How it looks. */
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
  .video { aspect-ratio: 16 / 10; overflow: hidden; border-radius: .5rem; }
  .video iframe { display: block; width: 100%; height: 100%; border: 0; }
  button[aria-pressed=true].talking { outline: 3px dashed var(--main); outline-offset: 2px; }
  [hidden] { display: none !important; }
  .heard { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); white-space: nowrap; }`;
