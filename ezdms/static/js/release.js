// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "TmtoB8E7PLOkfUxD0WOr2ISLmEPJgGly8J80sREePc8";
export const STYLES = [
  "sha256-63U5hs7Tvcm0wW/Qu2VM493aaFEO4aYtUfBhS+J+1CE=",
  "sha256-kwEP7njnf107T8E/CG5VxW4MIgmrTdXL33pXOjHHC7Q=",
  "sha256-Y2UXeBERhX9rZN1aMbwtg9+tbqBfXx7PWsFQCTP/86M=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
