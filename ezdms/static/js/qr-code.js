// Draws a QR code in the browser, since a server could draw a different one.

import { generate } from "../vendor/lean-qr-2.7.4.min.js";

export function drawQr(canvas, text) {
  generate(text).toCanvas(canvas, { on: [0, 0, 0, 255], off: [255, 255, 255, 255] });
  canvas.hidden = false;
}
