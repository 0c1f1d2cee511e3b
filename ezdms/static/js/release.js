// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "MLFESAQJxrQt-GFjEM6kX6MsfGmla1Y6l4S62AMd8_w";
export const STYLES = [
  "sha256-13xKfBrg0eeGwIlrfZjRNNkpS4BtUMC5HIRaNXtWn/M=",
  "sha256-Beh557fYwwx0IBpKjYVoB6D2U7o1aS07Oh0yXk+3l+s=",
  "sha256-ZrXcxhAhQ0THQNO+HVa7z8BOd1RIOBYFm6MGBrCmsyE=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
