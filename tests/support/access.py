"""Accessibility checks: faults that axe finds, and content wider than a small screen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import Page

from tests.conftest import skip_or_fail

# Only the rules by which something can be serious or critical: the others, and what is not used, cost half. `part`: in
# what this selector finds, or in these elements.
AXE = """async ([only, part, without]) => {
    const isSevere = ({ enabled, impact, tags }) => enabled && ["serious", "critical"].includes(impact)
        && !axe._audit.tagExclude.some((tag) => tags.includes(tag));
    const rules = only ?? axe._audit.rules.filter(isSevere).map(({ id }) => id);
    const runOnly = rules.filter((id) => !without.includes(id));
    const options = { resultTypes: ["violations"], preload: false, selectors: false, runOnly };
    const where = part === null ? globalThis.otherwise : part;
    const { violations } = where.length ? await axe.run(where, options) : { violations: [] };
    return [rules.length, violations.map(({ id, impact, nodes: [{ html, failureSummary }] }) =>
        [impact, `${id}: ${html.slice(0, 120)} ${failureSummary.slice(0, 200)}`])];
}"""
COLORS = ["color-contrast"]  # nine tenths of the work

# Notes how every visible element in this part is drawn; says what is drawn otherwise than noted, or was not visible.
NOTE = """([part, isFirst]) => {
    const before = isFirst ? new Map() : globalThis.noted;
    globalThis.noted = new Map();
    globalThis.otherwise = [];
    for (const root of document.querySelectorAll(part)) {
        for (const element of [root, ...root.querySelectorAll("*")]) {
            if (!element.checkVisibility()) continue;
            const { color, backgroundColor, backgroundImage, opacity, fontWeight } = getComputedStyle(element);
            const style = [color, backgroundColor, backgroundImage, opacity, fontWeight].join();
            noted.set(element, style);
            const isIn = otherwise.some((one) => one.contains(element));
            if (before.get(element) !== style && !isIn) otherwise.push(element);
        }
    }
}"""

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


async def serious_faults(
    page: Page, only: list[str] | None = None, part: str | None = "html", *, without: Sequence[str] = ()
) -> list[str]:
    """Return what axe rates as serious or critical, by all of its rules or only some, in what this selector finds, or
    in what is drawn otherwise than noted (None)."""
    path = Path(os.environ.get("NODE_PACKAGES", "")) / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        skip_or_fail("axe-core is missing: run bin/test on a machine with node and npm")
    if not await page.evaluate("() => 'axe' in globalThis"):
        await page.evaluate(path.read_text("utf-8") + ";0")
    rules, found = await page.evaluate(AXE, [only, part, without])
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
        if width == 1280:
            found = await serious_faults(page, None, part)
            await page.evaluate(NOTE, [part, True])
        elif scheme == "dark":
            found = await serious_faults(page, COLORS, part)  # the rest is what it was
        else:  # so are most of the colors
            await page.evaluate(NOTE, [part, False])
            found = await serious_faults(page, None, part, without=COLORS) + await serious_faults(page, COLORS, None)
        faults += [f"{width} {scheme}: {fault}" for fault in found]
        if await page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{width}: wider than the screen")
    resize = "(size) => { document.documentElement.style.fontSize = size; }"
    small = [fault for fault in await page.evaluate(CUT) if "small" in fault]
    await page.evaluate(resize, "200%")
    faults += [f"text of 200 %: {fault}" for fault in small + await page.evaluate(CUT)]
    await page.evaluate(resize, "")
    await page.evaluate("() => { delete globalThis.noted; delete globalThis.otherwise; }")
    if before is not None:
        await page.set_viewport_size(before)
    return faults
