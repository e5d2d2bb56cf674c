/** Drawn in a 20 x 20 box with a line of the text's colour. Always decoration: the label is the control's. */
const PATHS = {
  alert: 'M10 6.500v4.200M10 13.600v.1M10 2.500 18 16.500H2z',
  arrow: 'M10 16V4.500M5 9.200l5-5 5 5',
  check: 'm4.500 10.500 3.600 3.600 7.400-8',
  chevron: 'm7.500 5 5 5-5 5',
  clock: 'M10 5.800V10l2.800 1.800M17.500 10a7.500 7.500 0 1 1-15 0 7.500 7.500 0 0 1 15 0z',
  close: 'm5 5 10 10M15 5 5 15',
  copy: 'M7.500 7.500h8.500v8.500H7.500zM12.500 7.500V4H4v8.500h3.500',
  down: 'M10 4v11.500M5 10.800l5 5 5-5',
  lock: 'M5.500 9h9v7.500h-9zM7 9V6.500a3 3 0 0 1 6 0V9',
  menu: 'M3 5.500h14M3 10h14M3 14.500h14',
  moon: 'M16.500 12.200A7 7 0 0 1 7.800 3.500a7 7 0 1 0 8.700 8.700z',
  plus: 'M10 4v12M4 10h12',
  screen: 'M3 4h14v9.500H3zM7 16.500h6',
  search: 'm13 13 4 4M14.500 8.800a5.800 5.800 0 1 1-11.500 0 5.800 5.800 0 0 1 11.500 0z',
  signOut: 'M12 6V3.500H4v13h8V14M8.500 10H17M14 7l3 3-3 3',
  stop: 'M5.500 5.500h9v9h-9z',
  sun: 'M10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M4.300 15.700l1.100-1.100M14.600 5.400l1.100-1.100M13.200 10a3.200 3.200 0 1 1-6.400 0 3.200 3.200 0 0 1 6.400 0z',
  terminal: 'm4.500 6 4 4-4 4M10.500 14.500h5.500',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Deckhand's mark. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" className="mark-field" />
      <path d="M9 8h7a8 8 0 0 1 0 16H9v-4.500h7a3.500 3.500 0 0 0 0-7H9z" className="mark-letter" />
      <path d="M9 14.200h6v3.600H9z" className="mark-bar" />
    </svg>
  );
}

export function Spinner() {
  return <span className="spinner" aria-hidden="true" />;
}
