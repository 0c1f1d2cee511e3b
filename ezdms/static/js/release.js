// The content of this release: the parts of documents (one hash for each language) and what is said before they were
// compared, style sheets, fonts, emoji. Made by bin/parts.

export const LANGUAGES = {
  "en": {
    parts: "5XmKnK_wNX7xFA4FEP5k4yaISx0gdkIT2R9HLuoKSc8",
    unverified: {
      "unstarted": "EZ-DMS has not started. Reload the page. If that does not help, your browser is too old "
        + "for it, or a script was changed and your browser refused to run it. In that case, do not "
        + "type secrets here. Below a path, such as example.org/chat/, EZ-DMS never starts: it needs "
        + "a host name of its own, such as chat.example.org.",
      "tampered": "This page is not the one of this version of EZ-DMS: something in it that could run by "
        + "itself was removed. Do not type secrets here until you know why.",
      "changed": "This page is not the one of this version of EZ-DMS: its text, its fields or its style were"
        + " changed. So it is not shown, and nothing can be typed here. Ask whoever runs this server "
        + "why, but not through this page.",
      "not-secure": "This page was opened without encryption (http), so the browser switches off the functions "
        + "that protect your messages. Open it with https, or on the machine it runs on as localhost.",
      "no-host": "EZ-DMS needs a host name of its own, such as chat.example.org. It does not work below a "
        + "path, such as example.org/chat/. Please tell the operator of this server.",
      "part-missing": "This page lacks its part “{part}”. Please reload it.",
    },
  },
};
export const STYLES = [
  "sha256-tcpASXhFwbjRn07WI2zjzPX24E+cAx2GFBI4Py7dkig=",
  "sha256-kzNN646kvSDTfbskiSBYF9OuE+j8XX/YoDeBDICU0F4=",
  "sha256-cIEtAE3yGG5aJl2BFWzD+VimQSRnv4p+Bqklc0WpJYk=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
export const EMOJI = {
  file: "emojibase-17.0.0.json", integrity: "sha256-FCqXkzi8s2NzzTP72S4369pnK8nefi3psB7V+5jhmV4=",
};
