// The content of documents of this release: parts (one hash), style sheets and fonts. Made by bin/parts.

export const PARTS = "Wo7C4SIZgM7Dn6xRrJyuZuS1RosKCPJQnYajKvyc8cA";
export const STYLES = [
  "sha256-7dMDJZRE16sw+gNxY9DgK8Sbp4oqXrDVdRQskG5nxi4=",
  "sha256-Beh557fYwwx0IBpKjYVoB6D2U7o1aS07Oh0yXk+3l+s=",
  "sha256-EhIEUtuoJFksebTuMTyku3cC+oecmnU6nlmeug830Mg=",
];
export const FONTS = {
  "inter-latin-ext-wght-normal.woff2": "sha256-NLnFBMq3pz43t0Y0OkSRMuVs97VIGvLLgdx03P8lyVY=",
  "inter-latin-wght-normal.woff2": "sha256-MQDndehhbNJhG+7PojpCY9cDdYZ4m0PwNSNqLm+9TGI=",
};
