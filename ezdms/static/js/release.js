// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "e6sWJ1nwEjFy2-DWH-Lpek6wr8H5_dadJqS3IQc19vE";
export const STYLES = [
  "sha256-63U5hs7Tvcm0wW/Qu2VM493aaFEO4aYtUfBhS+J+1CE=",
  "sha256-EgcqfxBW92UTPTVF8N2KRDy0HGuOKixRkf4iDE70+TU=",
  "sha256-XlgoElp4Bc5toS+ro/2OwivgwifzT/UD/DvtnUPby6I=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
