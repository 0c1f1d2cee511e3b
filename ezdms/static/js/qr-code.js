// Draws a QR code in the browser, since a server could draw a different one. The library is loaded on demand.

export async function drawQr(canvas, text) {
  const { generate } = await import("../vendor/lean-qr-2.7.4.min.js");
  generate(text).toCanvas(canvas, { on: [0, 0, 0, 255], off: [255, 255, 255, 255] });
  canvas.hidden = false;
}
