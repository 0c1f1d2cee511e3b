// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "mb1GZhGrL2I1qNWFkDXzYt2ovPvp_BSiz_9LP57pFg4";
export const STYLES = [
  "sha256-fdZmw9EO1oppq3XAES3+D/Vjqq3LbKSGydhJz+oVCaQ=",
  "sha256-ZUjrpEBPhoucmZJmV+EQ875Ofx3cel6UacHqwR1pjIw=",
  "sha256-Y1R6IKgqb1HbXe4JLpvQ4FUux65wVDsbgxa8Y9+Cvjc=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
