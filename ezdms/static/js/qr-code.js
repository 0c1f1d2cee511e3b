// Draws a QR code in the browser: a server that drew it could draw another one. The library is loaded when needed.

export async function drawQr(canvas, text) {
  const { generate } = await import("../vendor/lean-qr-2.7.4.min.js");
  generate(text).toCanvas(canvas, { on: [0, 0, 0, 255], off: [255, 255, 255, 255] });
  canvas.hidden = false;
}
