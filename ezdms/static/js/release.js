// What a document of this release holds: its parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "97JGVRx0C5Cj0ksYBTXPNMSkf9zH7cIWKc4qKB2UM-8";
export const STYLES = [
  "sha256-EuYgTWmjlusNQkefvTmOdcJQgsdW0rICzFybGo9ajIU=",
  "sha256-z9vfEk6TbZmkrJCjLxyicRJQruGoxxmnxpeECKNVMCQ=",
  "sha256-myQA0+JMGv4f4tZbDJwBQBhewwl0bIr0E1kS4xyOT4M=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
