// What this browser remembers besides its keys. Nothing is remembered where storage is blocked.

export function remembered(name) {
  try { return localStorage.getItem(`ezdms-${name}`) ?? ""; } catch { return ""; }
}

export function remember(name, value) {
  try {
    if (value) localStorage.setItem(`ezdms-${name}`, value);
    else localStorage.removeItem(`ezdms-${name}`);
  } catch { /* blocked or full */ }
}
