// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "gnmaRL7PqN3peD_nlSe878Y-JQ4p6xOSHrhM91Z9eCM";
export const STYLES = [
  "sha256-63U5hs7Tvcm0wW/Qu2VM493aaFEO4aYtUfBhS+J+1CE=",
  "sha256-CWuLIoH5oGUaXYi7T9Ggy0TWKuWrOnuIXx6o+ckRbsY=",
  "sha256-f7ELGHcCm8dHMSMzKULoc3kzm5TMLMClgnlN/J7tlx8=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-s0dTZiy5e5Org3vi76+dF74Te2YBhO+oclJ3naNyzMY=",
};
