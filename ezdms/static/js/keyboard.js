// On iOS, the on-screen keyboard covers the page instead of resizing it. The page of a conversation is then as high as
// its visible part, so that the message field stays in view.

const [view, root] = [globalThis.visualViewport, document.documentElement];

function fit() {
  const height = view.height * view.scale; // zoomed in does not mean covered
  const isCovered = root.clientHeight - height > 1;
  if (!isCovered) return root.style.removeProperty("--seen");
  root.style.setProperty("--seen", `${height}px`);
  if (document.body.matches(".session")) scrollTo(0, 0); // iOS scrolled up to show the field, which is higher by now
}
view?.addEventListener("resize", fit);
