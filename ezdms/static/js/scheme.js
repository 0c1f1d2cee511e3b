// Applies the appearance that was chosen in the settings, before anything is drawn. Not a module: those run later.

try {
  document.documentElement.dataset.scheme = localStorage.getItem("ezdms-scheme") ?? "";
} catch { /* storage is blocked: as the system */ }
