// The content of this release: the parts of documents (one hash for each language) and what is said before they were
// compared, style sheets, fonts, emoji. Made by bin/parts.

export const LANGUAGES = {
  "en": {
    parts: "QGH_T3IKvKW_ZA7h2U4W04_8ysBEyL1y4HRkQH0dCg0",
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
  "es": {
    parts: "e2XIyklcoPD6o0_2EWIGwtclpDPZMzZmvU0JxT8z23c",
    unverified: {
      "unstarted": "EZ-DMS no se ha iniciado. Vuelve a cargar la página. Si no sirve, tu navegador es "
        + "demasiado antiguo, o alguien modificó un script y tu navegador se negó a ejecutarlo. En "
        + "ese caso, no escribas secretos aquí. Bajo una ruta, como example.org/chat/, EZ-DMS nunca "
        + "se inicia: necesita un nombre de host propio, como chat.example.org.",
      "tampered": "Esta página no es la de esta versión de EZ-DMS: se eliminó algo que podía ejecutarse por "
        + "sí solo. No escribas secretos aquí hasta saber por qué.",
      "changed": "Esta página no es la de esta versión de EZ-DMS: se modificaron su texto, sus campos o su "
        + "estilo. Por eso no se muestra y no se puede escribir nada aquí. Pregunta por qué a quien "
        + "administra este servidor, pero no a través de esta página.",
      "not-secure": "Esta página se abrió sin cifrado (http), así que el navegador desactiva las funciones que "
        + "protegen tus mensajes. Ábrela con https o, en el equipo donde se ejecuta, como localhost.",
      "no-host": "EZ-DMS necesita un nombre de host propio, como chat.example.org. No funciona bajo una "
        + "ruta, como example.org/chat/. Avisa a quien administra este servidor.",
      "part-missing": "A esta página le falta la parte «{part}». Vuelve a cargarla.",
    },
  },
};
export const STYLES = [
  "sha256-3vM5+kVN4BbTirusvjSKD/TDx/CCvCv10eN+45fvW1U=",
  "sha256-jR34XD07e5i7f1GYT9EGiJtlhPdzB5Kk5Ih3duW/nug=",
  "sha256-XH5iqLBqfK6yO2S4QxxHV31Dc8Yy+4RMbHoPd9AjU8I=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
export const EMOJI = {
  "emojibase-17.0.0-en.json": "sha256-FCqXkzi8s2NzzTP72S4369pnK8nefi3psB7V+5jhmV4=",
  "emojibase-17.0.0-es.json": "sha256-Rr3jZq9w81eAcAr2aZUsfCSFVGKCrQAw4IlLWYVJwkY=",
};
