// What a document of this release holds: its parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "sRiqbi-gIpoZCoELPDGuDdCwuO1fcWLluByo6qhPK3Q";
export const STYLES = [
  "sha256-J7JhJm0cuZMrE1NFnAgfZ3sA906/3kpKhR0PAaOU608=",
  "sha256-z9vfEk6TbZmkrJCjLxyicRJQruGoxxmnxpeECKNVMCQ=",
  "sha256-BjX5vAxtumdCxOc8LG8s0Xt48yujKCMnC2mZD+NzEHU=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
