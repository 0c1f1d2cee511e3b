// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "dOJiFHB9EL77CjPPeJ4yHE89qRLFv7WcjgqlkgemBEk";
export const STYLES = [
  "sha256-fdZmw9EO1oppq3XAES3+D/Vjqq3LbKSGydhJz+oVCaQ=",
  "sha256-ZUjrpEBPhoucmZJmV+EQ875Ofx3cel6UacHqwR1pjIw=",
  "sha256-7luHf6MzesqAt1TA36vgr7YD7pb/TXFiXO+8TMX8Vw8=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
