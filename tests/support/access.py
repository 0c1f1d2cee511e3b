"""Accessibility checks: faults that axe finds, and content wider than a small screen."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Page

from tests.conftest import skip_or_fail

# Only the rules by which something can be serious or critical: the others, and what is not used, cost half.
AXE = """async ([only, part]) => {
    const isSevere = ({ enabled, impact, tags }) => enabled && ["serious", "critical"].includes(impact)
        && !axe._audit.tagExclude.some((tag) => tags.includes(tag));
    const runOnly = only ?? axe._audit.rules.filter(isSevere).map(({ id }) => id);
    const options = { resultTypes: ["violations"], preload: false, selectors: false, runOnly };
    const { violations } = await axe.run(part, options);
    return [runOnly.length, violations.map(({ id, impact, nodes: [{ html, failureSummary }] }) =>
        [impact, `${id}: ${html.slice(0, 120)} ${failureSummary.slice(0, 200)}`])];
}"""
COLORS = ["color-contrast"]

LOOKS = [  # width, height, scheme
    (1280, 800, "light"),
    (390, 844, "dark"),
    (320, 568, "light"),  # and with large text
]

# Texts and controls that are cut or outside the screen, and fields so small that iPhones zoom in on them.
CUT = """() => {
    const [found, LINES] = [[], ".words, .about p, .partner h1"]; // cut on purpose: previews, and a name in one line
    const isClipped = (element) => // only screen readers find it
        element !== null && (getComputedStyle(element).clipPath === "inset(50%)" || isClipped(element.parentElement));
    for (const element of document.querySelectorAll("body *")) {
        if (!element.checkVisibility() || isClipped(element)) continue;
        const { overflowX, fontSize } = getComputedStyle(element);
        const { left, right, width } = element.getBoundingClientRect();
        const name = `${element.localName}.${element.className}`;
        if (element.parentElement.matches(LINES)) continue;
        if (width && (left < -1 || right > innerWidth + 1)) found.push(`${name} is outside`);
        const isCut = overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1;
        if (isCut && element.clientWidth && !element.matches(`input, ${LINES}`)) found.push(`${name} is cut`);
        const isField = element.matches("textarea, select, input:not([type=checkbox], [type=radio])");
        if (isField && parseFloat(fontSize) < 16) found.push(`${element.id} is small`);
    }
    return found;
}"""


async def serious_faults(page: Page, only: list[str] | None = None, part: str = "html") -> list[str]:
    """Return what axe rates as serious or critical, by all of its rules or only some, in what this selector finds."""
    path = Path(os.environ.get("NODE_PACKAGES", "")) / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        skip_or_fail("axe-core is missing: run bin/test on a machine with node and npm")
    if not await page.evaluate("() => 'axe' in globalThis"):
        await page.evaluate(path.read_text("utf-8") + ";0")
    rules, found = await page.evaluate(AXE, [only, part])
    assert rules == len(only) if only else rules > 50, "these are the rules"
    return [fault for impact, fault in found if impact in ("serious", "critical")]


async def faults_in_every_look(page: Page, part: str = "html") -> list[str]:
    """Return serious faults and horizontal scrolling, in both color schemes, on small to large screens, and with text
    of twice the size on a small one. `part`: where axe looks, if it has looked at the rest before.
    """
    before = page.viewport_size
    faults = []
    for width, height, scheme in LOOKS:
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        only = COLORS if scheme == "dark" else None  # the rest is what it was
        faults += [f"{width} {scheme}: {fault}" for fault in await serious_faults(page, only, part)]
        if await page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
    resize = "(size) => { document.documentElement.style.fontSize = size; }"
    small = [fault for fault in await page.evaluate(CUT) if "small" in fault]
    await page.evaluate(resize, "200%")
    faults += [f"text of 200 %: {fault}" for fault in small + await page.evaluate(CUT)]
    await page.evaluate(resize, "")
    if before is not None:
        await page.set_viewport_size(before)
    return faults
