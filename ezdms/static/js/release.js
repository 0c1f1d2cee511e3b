// What a document of this release holds: its parts, as one hash, and its style sheets. Made by bin/parts.

export const PARTS = "_3-bSM0hZa47dKpYI9Q6q8i-_vCzXR_zeERE4keykXY";
export const STYLES = [
  "sha256-XTCHZMo1nMVQXs47XgIHvGhF1wYr43muBIuTAHEqZyc=",
  "sha256-z9vfEk6TbZmkrJCjLxyicRJQruGoxxmnxpeECKNVMCQ=",
  "sha256-BjX5vAxtumdCxOc8LG8s0Xt48yujKCMnC2mZD+NzEHU=",
];
