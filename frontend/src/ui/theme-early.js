// Runs before the first paint. Only a choice that differs from the system's is kept, so "no entry" means "as the system".
try {
  const chosen = localStorage.getItem("satchel.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden; the system's theme stands.
}
