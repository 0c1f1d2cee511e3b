importScripts("pinned.js", "background.js");
