// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "0ZXJQj-rtNnRG8iOjODmWMpIAZwAt18b68r45iq0vqA";
export const STYLES = [
  "sha256-pNHROM8VhuVqr49xGQaL68uqnMdxVJtKCk2KmTb87Jg=",
  "sha256-sXL/spZDprxuOaTASQtKXfsXVdqUPw1LilEEHdj6zzA=",
  "sha256-GZwpEotcDVv2cnu7xnjfE5s7ROC0F+ygDprZuKZDqQI=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
