/*
 * The widget: a page shows a twin with the snippet of `vito deployment embed`, and this talks with it.
 *
 * It needs nothing of the page but the snippet, and of the page's Content-Security-Policy only
 * `script-src`, `connect-src` (https: and wss:) and, for video, `frame-src` of the platform: no
 * inline style, no eval, no image, no font. What people see lives in a shadow root, so that neither styles the other.
 *
 *     Talk      the stream: token, WebSocket, positions, coming back after a lost connection
 *     Voice     plays what the twin says
 *     Microphone, pushToTalk   what somebody says to it
 *     Room      shows it in a video
 *     Widget    what people see and hear
 *
 * The protocol is contracts/stream.asyncapi.json.
 */
