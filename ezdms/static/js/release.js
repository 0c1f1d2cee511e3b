// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "7lvDeYCI-cWzWb_FNXh6W4Lw1HQtjbhGt13cVjcnlmc";
export const STYLES = [
  "sha256-y/Fj2DcYwcuhzCcIcDt4MzcV63L1w4B5mjTluB2m3jw=",
  "sha256-ZUjrpEBPhoucmZJmV+EQ875Ofx3cel6UacHqwR1pjIw=",
  "sha256-Hci09yoJxZtUSCWo5oOlkQqJNjxIUqMARNdDt5lFU3Y=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
