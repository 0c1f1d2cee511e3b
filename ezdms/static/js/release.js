// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "-6UkI3_4G029A8UkxAGb2PflbALj86E6BZ-iYwa2XoA";
export const STYLES = [
  "sha256-y/Fj2DcYwcuhzCcIcDt4MzcV63L1w4B5mjTluB2m3jw=",
  "sha256-ZUjrpEBPhoucmZJmV+EQ875Ofx3cel6UacHqwR1pjIw=",
  "sha256-kW3lMp1S2Vnqov2cze6LRjx/05A8JX9oXAStef6ynVw=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
