const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const shortDay = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });

/** `14:02` */
export function clockOf(iso: string): string {
  return clock.format(new Date(iso));
}

/** Date and time in full, for a tooltip. */
export function fullOf(iso: string): string {
  return full.format(new Date(iso));
}

/** `Today`, `Yesterday` or the date, as a person here counts days. */
export function dayOf(iso: string, now = new Date()): string {
  const days = daysBetween(new Date(iso), now);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return day.format(new Date(iso));
}

/** For a list: the time today, else the date. */
export function shortOf(iso: string, now = new Date()): string {
  return daysBetween(new Date(iso), now) === 0 ? clockOf(iso) : shortDay.format(new Date(iso));
}

function daysBetween(from: Date, to: Date): number {
  const midnight = (date: Date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(to) - midnight(from)) / 86_400_000);
}
