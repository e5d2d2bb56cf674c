// The theme a person chose on this computer; without a choice the system's preference holds.
try {
  const theme = localStorage.getItem('deckhand.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is closed to us: the system's preference holds.
}
