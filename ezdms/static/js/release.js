// The content of this release: the parts of documents (one hash), style sheets, fonts, emoji. Made by bin/parts.

export const PARTS = "UQJ9hPuM0jHY74_rz-DWZi67lg_DHLAaMN4RLLxoTfw";
export const STYLES = [
  "sha256-63U5hs7Tvcm0wW/Qu2VM493aaFEO4aYtUfBhS+J+1CE=",
  "sha256-OLCJnLmFBa1p1PLVC3Y+DQ3lD0KpkMK34TTTdOtW+0g=",
  "sha256-AhG26Bv3UgbvmBXh6X75nCMtZ7Jzb8Gq7TEtR7YiYik=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
export const EMOJI = {
  file: "emojibase-17.0.0.json", integrity: "sha256-FCqXkzi8s2NzzTP72S4369pnK8nefi3psB7V+5jhmV4=",
};
