// An on-screen keyboard that lies over the page (iOS), instead of making it smaller, leaves less of it to see: then the
// page of a conversation is as high as what can be seen, so that one sees what one writes.

const [view, root] = [globalThis.visualViewport, document.documentElement];

function fit() {
  const height = view.height * view.scale; // what was zoomed is not covered
  const isCovered = root.clientHeight - height > 1;
  if (!isCovered) return root.style.removeProperty("--seen");
  root.style.setProperty("--seen", `${height}px`);
  if (document.body.matches(".session")) scrollTo(0, 0); // it was moved up to show a field that stands higher by now
}
view?.addEventListener("resize", fit);
